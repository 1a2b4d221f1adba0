"""Checks of conversation items: create, retrieve, order, delete."""

from streamsrv.conformance.check import Checks
from streamsrv.conformance.session import Session, Target, opening
from streamsrv.conformance.violations import require

checks = Checks("items")


@checks
async def create_and_retrieve(target: Target) -> None:
    """A created item is announced by added and done, keeps the client's id, and can be retrieved."""
    async with opening(target) as session:
        item = await session.write("Hello.", id="item_check_1")
        require(item["id"] == "item_check_1", f"The item has the id {item['id']!r}, not the client's.")
        await session.send("conversation.item.retrieve", item_id="item_check_1")
        held = (await session.until("conversation.item.retrieved"))["item"]
        require(held["content"][0]["text"] == "Hello.", f"The item holds {held['content']!r}.")


@checks
async def order(target: Target) -> None:
    """previous_item_id puts an item after another one, `root` at the start."""
    async with opening(target) as session:
        await session.write("Second.", id="item_check_2")
        content = [{"type": "input_text", "text": "First."}]
        first = {"type": "message", "role": "user", "id": "item_check_1", "content": content}
        await session.send("conversation.item.create", item=first, previous_item_id="root")
        added = await session.until("conversation.item.added")
        require(
            added.get("previous_item_id") is None, f"At the start previous_item_id is {added['previous_item_id']!r}."
        )
        await session.until("conversation.item.done")
        between = {**first, "id": "item_check_3"}
        await session.send("conversation.item.create", item=between, previous_item_id="item_check_1")
        added = await session.until("conversation.item.added")
        previous = added.get("previous_item_id")
        require(previous == "item_check_1", f"previous_item_id is {previous!r}, not 'item_check_1'.")
        await session.until("conversation.item.done")


@checks
async def duplicate_id(target: Target) -> None:
    """A second item with the same id is refused."""
    async with opening(target) as session:
        await session.write("Hello.", id="item_check_1")
        content = [{"type": "input_text", "text": "Again."}]
        item = {"type": "message", "role": "user", "id": "item_check_1", "content": content}
        await session.refused(await session.send("conversation.item.create", item=item), "conversation.item.added")


@checks
async def unknown_previous_id(target: Target) -> None:
    """An item after one that does not exist is refused."""
    async with opening(target) as session:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
        sent = await session.send("conversation.item.create", item=item, previous_item_id="item_nowhere")
        await session.refused(sent, instead_of="conversation.item.added")


@checks
async def delete(target: Target) -> None:
    """A deleted item cannot be retrieved or deleted again."""
    async with opening(target) as session:
        await session.write("Hello.", id="item_check_1")
        await session.send("conversation.item.delete", item_id="item_check_1")
        deleted = await session.until("conversation.item.deleted")
        require(deleted["item_id"] == "item_check_1", f"item_id is {deleted['item_id']!r}.")
        await session.refused(
            await session.send("conversation.item.retrieve", item_id="item_check_1"), "conversation.item.retrieved"
        )
        await session.refused(await session.send("conversation.item.delete", item_id="item_check_1"))


@checks
async def content_of_a_role(target: Target) -> None:
    """A content part that does not belong to the role of its message is refused."""
    async with opening(target) as session:
        item = {"type": "message", "role": "user", "content": [{"type": "output_text", "text": "Hello."}]}
        await session.refused(await session.send("conversation.item.create", item=item), "conversation.item.added")


@checks
async def output_of_an_unknown_call(target: Target) -> None:
    """The output of an unknown function call is refused, or the next response still completes."""
    async with opening(target) as session:
        await session.update(output_modalities=["text"])
        item = {"type": "function_call_output", "call_id": "call_nowhere", "output": "42"}
        await session.send("conversation.item.create", item=item)
        await session.until("conversation.item.done", "error")
        await _answers(session)


async def _answers(session: Session) -> None:
    await session.write("Say hello.")
    response = await session.respond()
    details = response.get("status_details")
    require(response["status"] == "completed", f"The next response is {response['status']}: {details}.")
