from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel  # any chat model
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate

from graphagg.rag.adapters.langchain import LangChainRetriever, LangChainVectorStore

texts = {1843: "Ada Lovelace worked with Charles Babbage.", 1791: "Babbage was born in London."}
documents = [Document(id=str(y), page_content=t, metadata={"year": y}) for y, t in texts.items()]
store = LangChainVectorStore.from_documents(documents, index="notes-langchain")
text = "Charles Babbage designed the Difference Engine."
store.add_documents([Document(id="1822", page_content=text, metadata={"year": 1822})])

retriever = LangChainRetriever(index=store.directory, k=1, filter={"year": {"gte": 1800}})
history = [HumanMessage("With whom did Ada Lovelace work?"), AIMessage("With Charles Babbage.")]
question = "What did Babbage design?"
passages = retriever.invoke(question, history=history)
prompt = ChatPromptTemplate.from_template("From {passages}, answer: {question}")
model = FakeListChatModel(responses=["The Difference Engine."])
answer = (prompt | model).invoke({"passages": passages, "question": question}).content
store.delete(["1843"])
