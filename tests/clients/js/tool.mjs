// The model calls a tool, which the SDK runs.

import { tool } from "@openai/agents-realtime";
import { z } from "zod";
import { finish, open, print, received } from "./session.mjs";

const getWeather = tool({
  name: "get_weather",
  description: "The weather of a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    print("city", city);
    return `snow in ${city}`;
  },
});
const session = await open([getWeather]);
session.sendMessage("How is the weather in Oslo?");
await received("response.done", 2);
finish(session);
