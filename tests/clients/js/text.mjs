// The user writes something and hears an answer.

import { finish, open, received } from "./session.mjs";

const session = await open();
session.sendMessage("What time is it?");
await received("response.done");
finish(session);
