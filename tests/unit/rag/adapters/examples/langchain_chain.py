from langchain_core.language_models import FakeListChatModel  # any chat model
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from graphagg.rag.adapters.langchain import LangChainRetriever

retriever = LangChainRetriever(index="idx", k=3)
prompt = ChatPromptTemplate.from_template("From {passages}, answer: {question}")
model = FakeListChatModel(responses=["The Vistula."])
chain = {"passages": retriever, "question": RunnablePassthrough()} | prompt | model
answer = (chain | StrOutputParser()).invoke("On which river does Marie Curie's birthplace lie?")
