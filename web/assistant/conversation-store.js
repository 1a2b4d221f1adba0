import { newestFirst, olderHalf, readMessages, superfluous } from "./kept-conversation.js";

/** @typedef {import("./kept-conversation.js").Summary} Summary */
/** @typedef {import("../lib/transcript.js").Message} Message */

/** @typedef {{id: string, changedAt: number, messages: Message[]}} Kept  a conversation */

/**
 * Why nothing can be kept: the browser has no store for this page (site data is blocked, or a private window), a newer
 * version of this page has its conversations there, or there is no space.
 *
 * @typedef {"unavailable" | "newer" | "full"} Lack
 */

const NAME = "streamsrv.conversations";
const VERSION = 1;
const SUMMARIES = "summaries"; // what the list shows, apart from the messages, so that it can be shown without them
const MESSAGES = "messages";

/**
 * Conversations in the browser's own database (IndexedDB). Where there is none, nothing is kept, and nothing is found:
 * `lack` says why.
 */
export class ConversationStore {
  /** @type {Promise<IDBDatabase | null> | null} */
  #opening = null;
  /** @type {IDBDatabase | null} */
  #database = null;

  /** @type {Lack | null} why the last conversation was not kept; null: it was */
  lack = null;

  /** Open the database, so that what is kept when the page is left needs no waiting. */
  async open() {
    this.#opening ??= opened().then(
      (database) => this.#use(database),
      (error) => {
        this.lack = error?.name === "VersionError" ? "newer" : "unavailable";
        return null;
      },
    );
    return this.#opening;
  }

  /**
   * Keep a conversation, in place of the one with this id. Nothing is read, so that the browser finishes it even while the
   * page is left.
   *
   * @param {Summary} summary
   * @param {Message[]} messages
   * @returns {Promise<boolean>} whether it is kept; if not, `lack` says why
   */
  async save(summary, messages) {
    const database = this.#database ?? (await this.open());
    if (database === null) return false;
    try {
      await this.#put(database, summary, messages);
    } catch (error) {
      if (!isFull(error)) return this.#failed("unavailable");
      try {
        await this.#remove(olderHalf(await this.list(), summary.id));
        await this.#put(database, summary, messages);
      } catch {
        return this.#failed("full");
      }
    }
    this.lack = null;
    return true;
  }

  /**
   * Drop what is too much.
   *
   * @param {string} current  the id of a conversation that stays
   */
  async trim(current) {
    await this.#remove(superfluous(await this.list(), current));
  }

  /** @returns {Promise<Summary[]>} of all conversations, the newest first */
  async list() {
    const found = await this.#read(SUMMARIES, (store) => store.getAll());
    return newestFirst(found ?? []);
  }

  /**
   * @param {string} id
   * @returns {Promise<Kept | null>} null: it is not kept, or nothing of it can be read
   */
  async read(id) {
    const kept = await this.#read(MESSAGES, (store) => store.get(id));
    const messages = readMessages(kept?.messages);
    return messages.length > 0 ? { id, changedAt: kept.changedAt, messages } : null;
  }

  /**
   * Delete a conversation, unless it was kept again since it was read.
   *
   * @param {Kept} kept
   */
  async supersede({ id, changedAt }) {
    if ((await this.read(id))?.changedAt === changedAt) await this.remove([id]);
  }

  /** @param {readonly string[]} ids */
  async remove(ids) {
    await this.#remove(ids).catch(() => {}); // they are in the list as long as they are kept
  }

  /** Delete all conversations. */
  async clear() {
    const database = await this.open();
    if (database === null) return;
    const [transaction, done] = begun(database, "readwrite");
    for (const name of [SUMMARIES, MESSAGES]) transaction.objectStore(name).clear();
    await done.catch(() => {});
  }

  /** @param {IDBDatabase} database */
  #use(database) {
    this.#database = database;
    // A newer version of the page wants to change it: it goes first, and this page keeps nothing any more.
    database.onversionchange = () => this.#lost("newer");
    database.onclose = () => this.#lost("unavailable"); // site data was deleted
    return database;
  }

  /** @param {Lack} lack */
  #lost(lack) {
    this.#database?.close();
    this.#database = null;
    this.#opening = lack === "newer" ? Promise.resolve(null) : null;
    this.lack = lack;
  }

  /** @param {Lack} lack */
  #failed(lack) {
    this.lack = lack;
    return false;
  }

  /**
   * @param {IDBDatabase} database
   * @param {Summary} summary
   * @param {Message[]} messages
   */
  #put(database, summary, messages) {
    const [transaction, done] = begun(database, "readwrite");
    transaction.objectStore(SUMMARIES).put(summary);
    transaction.objectStore(MESSAGES).put({ id: summary.id, changedAt: summary.changedAt, messages });
    transaction.commit();
    return done;
  }

  /** @param {readonly string[]} ids */
  async #remove(ids) {
    const database = await this.open();
    if (database === null || ids.length === 0) return;
    const [transaction, done] = begun(database, "readwrite");
    for (const id of ids) for (const name of [SUMMARIES, MESSAGES]) transaction.objectStore(name).delete(id);
    await done;
  }

  /**
   * @param {string} name  of the object store
   * @param {(store: IDBObjectStore) => IDBRequest} ask
   */
  async #read(name, ask) {
    const database = await this.open();
    if (database === null) return undefined;
    try {
      return await result(ask(database.transaction(name).objectStore(name)));
    } catch {
      return undefined; // the database is going, or damaged: nothing is found
    }
  }
}

/** @returns {Promise<IDBDatabase>} */
async function opened() {
  const request = indexedDB.open(NAME, VERSION); // the name and the call may throw, where site data is blocked
  request.onupgradeneeded = () => {
    for (const name of [SUMMARIES, MESSAGES]) request.result.createObjectStore(name, { keyPath: "id" });
  };
  return result(request);
}

/**
 * @param {IDBDatabase} database
 * @param {IDBTransactionMode} mode
 * @returns {[IDBTransaction, Promise<void>]} a transaction, and its end: a rejection with the reason, if it was undone
 */
function begun(database, mode) {
  const transaction = database.transaction([SUMMARIES, MESSAGES], mode);
  const done = new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
  return [transaction, done];
}

/**
 * @param {IDBRequest} request
 * @returns {Promise<any>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {unknown} error */
function isFull(error) {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}
