from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.writers import DocumentWriter

from graphagg.rag.adapters.haystack import HaystackDocumentStore, HaystackRetriever

texts = {1843: "Ada Lovelace worked with Charles Babbage.", 1791: "Babbage was born in London."}
texts[1822] = "Charles Babbage designed the Difference Engine."
documents = [Document(id=str(y), content=t, meta={"year": y}) for y, t in texts.items()]
store = HaystackDocumentStore("notes-haystack")
DocumentWriter(store).run(documents=documents)

template = "{% for d in documents %}{{ d.content }} {% endfor %} Question: {{ question }}"
late = {"field": "meta.year", "operator": ">=", "value": 1800}
pipeline = Pipeline()
pipeline.add_component("retriever", HaystackRetriever(store, top_k=1, filters=late))
pipeline.add_component("prompt", PromptBuilder(template, required_variables="*"))
pipeline.connect("retriever.documents", "prompt.documents")
saved = Pipeline.loads(pipeline.dumps(), allowed_modules=["graphagg.rag.adapters.haystack"])
asked = {"query": "What did Babbage design?", "history": ["With whom did Ada Lovelace work?"]}
answer = saved.run({"retriever": asked, "prompt": {"question": asked["query"]}})
