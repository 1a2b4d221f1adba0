const NEAR = 48; // px from the end that still count as the end

/**
 * Keeps a scrolling element at its end while it grows, unless the reader has scrolled back.
 */
export class Follow {
  #scroller;
  #button;
  #following = true;
  #top = 0;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content  what grows in it
   * @param {HTMLButtonElement} button  shown while the reader is elsewhere; brings back to the end
   */
  constructor(scroller, content, button) {
    this.#scroller = scroller;
    this.#button = button;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => {
      this.#following = true;
      this.#toEnd();
      scroller.focus({ preventScroll: true });
    });
    const grown = new ResizeObserver(() => {
      if (this.#following) this.#toEnd();
    });
    grown.observe(content);
    grown.observe(scroller);
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // Only the reader scrolls up; text that was added since the last frame also leaves us above the end.
    if (scrollTop < this.#top) this.#following = false;
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#following = true;
    this.#top = scrollTop;
    this.#button.hidden = this.#following;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
    this.#button.hidden = true;
  }
}
