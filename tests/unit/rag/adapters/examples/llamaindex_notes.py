from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM  # any LLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

from graphagg.rag.adapters.llamaindex import LlamaIndexStore

texts = {1843: "Ada Lovelace worked with Charles Babbage.", 1791: "Babbage was born in London."}
texts[1822] = "Charles Babbage designed the Difference Engine."
documents = [Document(id_=str(y), text=t, metadata={"year": y}) for y, t in texts.items()]
store = LlamaIndexStore("notes-llamaindex")
steps = [SentenceSplitter(chunk_size=256), store]
IngestionPipeline(transformations=steps).run(documents=documents)

late = MetadataFilter(key="year", operator=FilterOperator.GTE, value=1800)
options = {"filters": MetadataFilters(filters=[late]), "history": ["With whom did Ada work?"]}
engine = RetrieverQueryEngine.from_args(store.as_retriever(k=1, **options), llm=MockLLM())
answer = engine.query("What did Babbage design?")
store.delete("1843")
