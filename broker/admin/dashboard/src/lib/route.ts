// Where in the page one is: the part of the address after '#', as "#/clients/ID?prefix=a". Pure, but for the hook.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  screen: string;
  id: string | null;
  query: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [screen = "", ...rest] = path.split("/");
  let id: string | null = null;
  try {
    id = rest.length ? decodeURIComponent(rest.join("/")) : null;
  } catch {
    id = rest.join("/"); // typed by hand
  }
  return { screen: screen || "overview", id: id || null, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function hashOf(screen: string, id?: string | null, query: Record<string, string> = {}): string {
  const filled = Object.entries(query).filter(([, value]) => value !== "");
  const text = new URLSearchParams(filled).toString();
  return `#/${screen}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

// Filters as they are typed: the address says them, the way back does not go through each letter.
export function replaceQuery(route: Route, query: Record<string, string>): void {
  history.replaceState(null, "", hashOf(route.screen, route.id, query));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
