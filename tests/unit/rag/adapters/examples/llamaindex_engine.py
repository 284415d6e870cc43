from llama_index.core.llms import MockLLM  # any LLM
from llama_index.core.query_engine import RetrieverQueryEngine

from graphagg.rag.adapters.llamaindex import LlamaIndexRetriever

retriever = LlamaIndexRetriever("idx", k=3)
engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
answer = engine.query("On which river does Marie Curie's birthplace lie?")
for node in answer.source_nodes:
    print(node.score, node.metadata["title"], node.metadata["path"])
