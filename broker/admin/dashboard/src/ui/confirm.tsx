// A button that asks before it acts. The dialog is the browser's: it keeps the focus and gives it back.
import { useRef, useState } from "preact/hooks";
import { explainError } from "../lib/api";
import { complain, tell } from "./toast";

interface Props {
  label: string;
  question: string;
  text: string;
  act: () => Promise<string>; // returns what was done, in words
  done?: () => void;
  danger?: boolean;
  small?: boolean;
}

export function ConfirmButton({ label, question, text, act, done, danger = true, small }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      tell(await act());
      dialog.current?.close();
      done?.();
    } catch (error) {
      complain(explainError(error));
      dialog.current?.close();
    }
    setBusy(false);
  };
  const kind = danger ? "button button-danger" : "button";
  return (
    <>
      <button type="button" class={small ? `${kind} button-small` : kind} onClick={() => dialog.current?.showModal()}>{label}</button>
      <dialog ref={dialog} aria-label={question}>
        <h2>{question}</h2>
        <p>{text}</p>
        <div class="row row-end">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>Cancel</button>
          <button type="button" class={danger ? "button button-danger-full" : "button button-full"} disabled={busy} onClick={run}>
            {label}
          </button>
        </div>
      </dialog>
    </>
  );
}
