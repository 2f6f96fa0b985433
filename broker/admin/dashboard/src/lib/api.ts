// Requests to the admin API of the node that served the page.
//
// The bearer token is in sessionStorage: it ends with the tab. An answer 401 tells onUnauthorized(), which shows the form for it.

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer at all
    message: string,
  ) {
    super(message);
  }
}

type Parameters = Record<string, string | number | boolean | null | undefined>;

const TOKEN = "skeinmq.token";
const PATIENCE_MS = 10_000;

let unauthorized: (why: string) => void = () => {};

export function onUnauthorized(tell: (why: string) => void): void {
  unauthorized = tell;
}

export function token(): string {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(value: string): void {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

// Empty parameters are left out.
export function pathOf(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
}

async function errorOf(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { error?: unknown };
    if (typeof body.error === "string") return body.error;
  } catch {
    // No JSON: the status has to do.
  }
  return `the node answers ${response.status}`;
}

export async function ask<T>(
  path: string,
  options: { method?: string; parameters?: Parameters; body?: unknown; signal?: AbortSignal } = {},
): Promise<T> {
  const headers: Record<string, string> = {};
  const shown = token();
  if (shown) headers.Authorization = `Bearer ${shown}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  const stop = new AbortController();
  const abort = () => stop.abort();
  timeout.addEventListener("abort", abort);
  options.signal?.addEventListener("abort", abort);
  let response: Response;
  try {
    response = await fetch(pathOf(path, options.parameters), {
      method: options.method ?? "GET",
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: stop.signal,
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    if (options.signal?.aborted) throw new ApiError(0, "given up");
    throw new ApiError(0, "the node does not answer");
  }
  if (response.ok) {
    const text = await response.text();
    return (text ? JSON.parse(text) : {}) as T;
  }
  const why = await errorOf(response);
  if (options.signal?.aborted) throw new ApiError(0, "given up");
  if (response.status === 401) unauthorized(shown ? why : "");
  throw new ApiError(response.status, why);
}

// For people: why something did not work.
export function explainError(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 403) return `Your token does not allow this: ${error.message}.`;
  if (error.status === 404) return `Not found: ${error.message}.`;
  const text = error.message;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
