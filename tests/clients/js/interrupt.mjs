// The application interrupts the answer, as a button for it would.

import { finish, open, received } from "./session.mjs";

const session = await open();
session.sendMessage("Count.");
await received("response.output_audio.delta");
session.interrupt();
await received("response.done");
await received("conversation.item.truncated");
finish(session);
