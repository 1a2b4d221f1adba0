/** An id for an item of a conversation, unlike any other. */
export function newItemId() {
  return `item_${Date.now().toString(36)}${Math.random().toString(36).slice(2, 10)}`;
}
