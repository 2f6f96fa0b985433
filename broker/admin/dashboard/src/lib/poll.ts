// Asks again and again while the page is looked at.
//
// An answer that takes long is asked for less often, so that a page that somebody left open costs a node at most a tenth of its
// time; a page in the background asks nothing. One question is under way at a time, and a new key gives up the old one.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";

export interface Poll<T> {
  data: T | null; // of this key; the last one that came
  error: unknown; // null: the last question was answered
  refresh: () => void;
}

export const EVERY_MS = 1_000;

export function usePoll<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, everyMs = EVERY_MS): Poll<T> {
  const [state, setState] = useState<{ key: string; data: T | null; error: unknown }>({ key, data: null, error: null });
  const [round, setRound] = useState(0);
  const question = useRef(ask);
  question.current = ask;

  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    let asking = false;
    const later = (wait: number) => {
      timer = window.setTimeout(turn, wait);
    };
    const turn = async () => {
      if (document.hidden && everyMs > 0) return;
      asking = true;
      const begin = performance.now();
      try {
        const data = await question.current(stop.signal);
        if (!stop.signal.aborted) setState({ key, data, error: null });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((old) => ({ key, data: old.key === key ? old.data : null, error }));
        if (error instanceof ApiError && error.status === 401) return; // the form takes over
      } finally {
        asking = false;
      }
      if (!stop.signal.aborted && everyMs > 0) later(Math.max(everyMs, 10 * (performance.now() - begin)));
    };
    const seen = () => {
      if (asking || everyMs <= 0) return;
      clearTimeout(timer);
      if (!document.hidden) later(0);
    };
    document.addEventListener("visibilitychange", seen);
    turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, everyMs, round]);

  const refresh = useCallback(() => setRound((old) => old + 1), []);
  const mine = state.key === key;
  return { data: mine ? state.data : null, error: mine ? state.error : null, refresh };
}

// The value as it was when nobody has changed it for a while.
export function useSettled<T>(value: T, milliseconds = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
