// Short messages about what was done, read out by screen readers.
import { useEffect, useState } from "preact/hooks";

interface Message {
  id: number;
  text: string;
  bad: boolean;
}

const STAYS_MS = 6_000;
const MOST = 4;

let show: (text: string, bad: boolean) => void = () => {};
let numbers = 0;

export function tell(text: string): void {
  show(text, false);
}

export function complain(text: string): void {
  show(text, true);
}

export function Toasts() {
  const [messages, setMessages] = useState<Message[]>([]);
  useEffect(() => {
    show = (text, bad) => {
      numbers += 1;
      const message = { id: numbers, text, bad };
      setMessages((old) => [...old, message].slice(-MOST));
      setTimeout(() => setMessages((old) => old.filter((each) => each !== message)), STAYS_MS);
    };
    return () => {
      show = () => {};
    };
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {messages.map((message) => <div key={message.id} class={message.bad ? "toast toast-bad" : "toast"}>{message.text}</div>)}
    </div>
  );
}
