import asyncio

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def ask() -> str:
    server = StdioServerParameters(command="graphagg", args=["mcp", "--passages", "idx"])
    async with Client(stdio_client(server)) as client:
        question = {"question": "On which river does Marie Curie's birthplace lie?"}
        return (await client.call_tool("search_passages", question)).content[0].text


answer = asyncio.run(ask())
