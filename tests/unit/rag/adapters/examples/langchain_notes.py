from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel  # any chat model
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate

from graphagg.rag import PassageIndex
from graphagg.rag.adapters.langchain import LangChainRetriever

texts = {1843: "Ada Lovelace worked with Charles Babbage.", 1791: "Babbage was born in London."}
texts[1822] = "Charles Babbage designed the Difference Engine."
documents = [Document(id=str(y), page_content=t, metadata={"year": y}) for y, t in texts.items()]
rows = [{"id": d.id, "text": d.page_content, "metadata": d.metadata} for d in documents]
index = PassageIndex.build(rows, "notes", chunking=None)

retriever = LangChainRetriever(index=index, k=1, filter={"year": {"gte": 1800}})
history = [HumanMessage("With whom did Ada Lovelace work?"), AIMessage("With Charles Babbage.")]
question = "What did Babbage design?"
passages = retriever.invoke(question, history=history)
prompt = ChatPromptTemplate.from_template("From {passages}, answer: {question}")
model = FakeListChatModel(responses=["The Difference Engine."])
answer = (prompt | model).invoke({"passages": passages, "question": question}).content
