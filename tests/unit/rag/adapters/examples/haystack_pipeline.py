from haystack import Pipeline
from haystack.components.builders import PromptBuilder

from graphagg.rag.adapters.haystack import HaystackRetriever

template = "{% for d in documents %}{{ d.content }} {% endfor %} Question: {{ question }}"
pipeline = Pipeline()
pipeline.add_component("retriever", HaystackRetriever("idx", top_k=3))
pipeline.add_component("prompt", PromptBuilder(template, required_variables="*"))
pipeline.connect("retriever.documents", "prompt.documents")
question = "On which river does Marie Curie's birthplace lie?"
answer = pipeline.run({"retriever": {"query": question}, "prompt": {"question": question}})
