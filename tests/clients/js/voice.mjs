// The user says something and hears an answer.

import { finish, open, received, speak } from "./session.mjs";

const session = await open();
speak(session);
await received("response.done");
await received("conversation.item.retrieved");
finish(session);
