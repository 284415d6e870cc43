"""Multi-hop passage retrieval without an LLM."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.rag.config.corpus import GraphConfig as GraphConfig
    from graphagg.rag.config.corpus import MapConfig as MapConfig
    from graphagg.rag.config.limits import BuildLimits as BuildLimits
    from graphagg.rag.config.modes import LinearRAGConfig as LinearRAGConfig
    from graphagg.rag.config.multihop import ABLATIONS as ABLATIONS
    from graphagg.rag.config.multihop import MultihopConfig as MultihopConfig
    from graphagg.rag.corpus.graph import CorpusGraph as CorpusGraph
    from graphagg.rag.corpus.similar import SimilarItems as SimilarItems
    from graphagg.rag.corpus.themes import Theme as Theme
    from graphagg.rag.corpus.themes import ThemeMap as ThemeMap
    from graphagg.rag.documents.passages import Passage as Passage
    from graphagg.rag.documents.passages import read_passages as read_passages
    from graphagg.rag.documents.reading.document import Document as Document
    from graphagg.rag.documents.reading.document import Mark as Mark
    from graphagg.rag.documents.reading.folder import read_documents as read_documents
    from graphagg.rag.documents.reading.settings import FolderReport as FolderReport
    from graphagg.rag.documents.reading.settings import ReadConfig as ReadConfig
    from graphagg.rag.documents.rows import RowConfig as RowConfig
    from graphagg.rag.evaluation.drafts import draft_questions as draft_questions
    from graphagg.rag.evaluation.measure import RetrievalEvaluation as RetrievalEvaluation
    from graphagg.rag.evaluation.measure import evaluate as evaluate
    from graphagg.rag.evaluation.questions import GoldQuestion as GoldQuestion
    from graphagg.rag.evaluation.questions import read_questions as read_questions
    from graphagg.rag.index import PassageIndex as PassageIndex
    from graphagg.rag.models.chunking import ChunkConfig as ChunkConfig
    from graphagg.rag.models.chunking import chunk_documents as chunk_documents
    from graphagg.rag.models.encoder import Encoder as Encoder
    from graphagg.rag.models.encoder import SentenceTransformerEncoder as SentenceTransformerEncoder
    from graphagg.rag.models.extractor import EntityExtractor as EntityExtractor
    from graphagg.rag.models.extractor import SpacyExtractor as SpacyExtractor
    from graphagg.rag.operations.config import PassageConfig as PassageConfig
    from graphagg.rag.passage_parts import PassageParts as PassageParts
    from graphagg.rag.question.request import Recency as Recency
    from graphagg.rag.question.request import Request as Request
    from graphagg.rag.question.results import Explanation as Explanation
    from graphagg.rag.question.results import Hit as Hit
    from graphagg.rag.question.results import Hits as Hits
    from graphagg.rag.question.results import Hop as Hop
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__)
