// The small parts that all screens are made of.
import type { ComponentChildren } from "preact";
import { explainError } from "../lib/api";

export function Title({ children, aside }: { children: ComponentChildren; aside?: ComponentChildren }) {
  return (
    <header class="title">
      <h1 id="title" tabIndex={-1}>{children}</h1>
      {aside && <div class="title-aside">{aside}</div>}
    </header>
  );
}

export type Tone = "good" | "warn" | "bad" | "plain";

const TONES: Record<string, Tone> = {
  active: "good", serving: "good", connected: "good", deliver: "good",
  joining: "warn", starting: "warn", draining: "warn", leaving: "warn", drained: "warn", queue: "warn",
  away: "bad", silent: "bad", drop: "bad", refused: "bad",
};

// A state says itself in words; the colour only helps.
export function Pill({ children, tone }: { children: string; tone?: Tone }) {
  return <span class={`pill pill-${tone ?? TONES[children] ?? "plain"}`}>{children}</span>;
}

export function Problem({ error, hint }: { error: unknown; hint?: string }) {
  if (!error) return null;
  return (
    <div class="notice notice-bad" role="alert">
      {explainError(error)} {hint}
    </div>
  );
}

export function Silent({ nodes }: { nodes?: string[] }) {
  if (!nodes?.length) return null;
  return (
    <div class="notice notice-warn" role="status">
      No answer from {nodes.join(", ")}: what {nodes.length === 1 ? "it knows" : "they know"} is missing here.
    </div>
  );
}

export function Loading() {
  return <p class="quiet" role="status">Loading…</p>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

// Tables may be wider than a phone: what holds them scrolls, with the keyboard too.
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll panel" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "password";
  placeholder?: string;
  id: string;
  mono?: boolean;
  required?: boolean;
  autocomplete?: string;
}

export function Field({ label, value, onInput, type = "text", placeholder, id, mono, required, autocomplete = "off" }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id} type={type as "text"} value={value} placeholder={placeholder} class={mono ? "mono" : ""} required={required}
        autocomplete={autocomplete} spellcheck={false} autocapitalize="off"
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  id: string;
  options: [string, string][];
}

export function Choice({ label, value, onInput, id, options }: ChoiceProps) {
  return (
    <div class="field field-narrow">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onInput(event.currentTarget.value)}>
        {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
      </select>
    </div>
  );
}

export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
