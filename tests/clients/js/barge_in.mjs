// The user speaks while the answer is being given, and is answered again.

import { finish, open, received, speak } from "./session.mjs";

const session = await open();
speak(session);
await received("response.output_audio.delta");
speak(session);
await received("response.done");
speak(session);
await received("response.done", 2);
await received("conversation.item.truncated");
finish(session);
