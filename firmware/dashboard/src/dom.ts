/** Small words for the document. Text from devices is only ever set as text, never as markup. */

export function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  text = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Writes only what differs: a thousand rows are refreshed every second, and few of them change. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export type Fact = [name: string, text: string, title?: string];

/** Fills a `<dl>`, in place. */
export function showFactList(list: HTMLElement, facts: readonly Fact[]): void {
  while (list.children.length > facts.length) list.lastElementChild!.remove();
  facts.forEach(([name, text, title], at) => {
    let fact = list.children[at];
    if (!fact) {
      fact = element("div");
      fact.append(element("dt"), element("dd"));
      list.append(fact);
    }
    const [term, description] = fact.children as unknown as [HTMLElement, HTMLElement];
    setText(term, name);
    setText(description, text);
    setTitle(description, title ?? "");
  });
}

export function setTitle(target: HTMLElement, title: string): void {
  if (target.title !== title) target.title = title;
}
