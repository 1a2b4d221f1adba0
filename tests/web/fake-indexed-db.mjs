/** A fake of the browser's database: as much of it as the page uses. `fakeDatabase()` is a browser's, for several pages. */

function later(act) {
  setImmediate(act);
}

class FakeRequest {
  succeed(result) {
    this.result = result;
    this.onsuccess?.();
  }

  fail(name) {
    this.error = new DOMException(name, name);
    this.onerror?.();
  }
}

/** Changes apply when it is complete, in the order in which transactions began. */
class FakeTransaction {
  #changes = [];

  constructor(browser, mode) {
    this.browser = browser;
    this.mode = mode;
    later(() => this.#end());
  }

  objectStore(name) {
    const records = this.browser.stores[name];
    const change = (act) => {
      if (this.mode !== "readwrite") throw new DOMException("", "ReadOnlyError");
      this.#changes.push(act);
      return new FakeRequest();
    };
    const read = (look) => {
      const request = new FakeRequest();
      later(() => request.succeed(structuredClone(look())));
      return request;
    };
    return {
      put: (record) => {
        const copy = structuredClone(record);
        return change(() => records.set(copy.id, copy));
      },
      delete: (id) => change(() => records.delete(id)),
      clear: () => change(() => records.clear()),
      get: (id) => read(() => records.get(id)),
      getAll: () => read(() => [...records.values()]),
    };
  }

  commit() {}

  #end() {
    const fault = this.mode === "readwrite" ? this.browser.faults.shift() : undefined;
    if (fault) {
      this.error = new DOMException(fault, fault);
      return this.onabort?.();
    }
    for (const change of this.#changes) change();
    if (this.mode === "readwrite") this.browser.written += 1;
    this.oncomplete?.();
  }
}

class FakeDatabase {
  constructor(browser) {
    this.browser = browser;
  }

  createObjectStore(name) {
    this.browser.stores[name] = new Map();
  }

  transaction(names, mode = "readonly") {
    if (this.closed) throw new DOMException("", "InvalidStateError");
    return new FakeTransaction(this.browser, mode);
  }

  close() {
    this.closed = true;
  }
}

/** Set `faults` to the names of the errors with which the next writing transactions are undone. */
export function fakeDatabase({ version = 0 } = {}) {
  const browser = {
    version,
    stores: {},
    faults: [],
    written: 0,
    databases: [],
    open(_name, wanted) {
      const request = new FakeRequest();
      later(() => {
        if (wanted < browser.version) return request.fail("VersionError");
        const database = new FakeDatabase(browser);
        browser.databases.push(database);
        request.result = database;
        if (wanted > browser.version) request.onupgradeneeded?.();
        browser.version = wanted;
        request.succeed(database);
      });
      return request;
    },
  };
  return browser;
}
