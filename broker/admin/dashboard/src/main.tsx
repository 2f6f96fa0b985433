// The page: navigation, what is asked all the time, and the screen that the address names.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, onUnauthorized, setToken, token } from "./lib/api";
import { NO_HISTORY, remember, type History } from "./lib/history";
import { usePoll } from "./lib/poll";
import { hashOf, useRoute, type Route } from "./lib/route";
import { chooseTheme, followSystem, storedTheme, type Theme } from "./lib/theme";
import type { Overview } from "./lib/types";
import { ClientScreen } from "./screens/client";
import { ClientsScreen, SlowScreen } from "./screens/clients";
import { ConfigScreen } from "./screens/config";
import { EventsScreen } from "./screens/events";
import { ExplainScreen } from "./screens/explain";
import { OverviewScreen } from "./screens/overview";
import { PartitionsScreen } from "./screens/partitions";
import { RetainedScreen } from "./screens/retained";
import { TopicsScreen } from "./screens/topics";
import { Icon } from "./ui/icons";
import { SignIn } from "./ui/sign_in";
import { Toasts } from "./ui/toast";

const SCREENS: [string, string][] = [
  ["overview", "Overview"], ["clients", "Clients"], ["slow", "Slow consumers"], ["events", "Events"], ["retained", "Retained"],
  ["topics", "Try topics"], ["explain", "Explain"], ["partitions", "Partitions"], ["config", "Configuration"],
];

function Brand() {
  return (
    <a class="brand" href={hashOf("overview")}>
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" class="brand-back" />
        <path class="brand-birds" d="M13 9.6 16 7.4l3 2.2M7.6 15.6l3-2.2 3 2.2M18.4 15.6l3-2.2 3 2.2" />
        <path class="brand-birds" d="M3.6 22.2l3-2.2 3 2.2M22.4 22.2l3-2.2 3 2.2" />
      </svg>
      SkeinMQ
    </a>
  );
}

function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(storedTheme());
  return (
    <label class="theme">
      <span>Theme</span>
      <select
        value={theme}
        onChange={(event) => {
          const chosen = event.currentTarget.value as Theme;
          chooseTheme(chosen);
          setTheme(chosen);
        }}
      >
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}

function Navigation({ route, signOut }: { route: Route; signOut: (() => void) | null }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [route.screen, route.id]);
  return (
    <div class={open ? "side side-open" : "side"}>
      <div class="side-head">
        <Brand />
        <button type="button" class="button menu-button" aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}>
          Menu
        </button>
      </div>
      <div id="menu" class="menu">
        <nav aria-label="Screens">
          <ul>
            {SCREENS.map(([screen, name]) => (
              <li key={screen}>
                <a href={hashOf(screen)} aria-current={route.screen === screen ? "page" : undefined}><Icon name={screen} />{name}</a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="side-foot">
          <ThemeSwitch />
          {signOut && <button type="button" class="button button-small" onClick={signOut}>Sign out</button>}
        </div>
      </div>
    </div>
  );
}

function Screen({ route, history, error }: { route: Route; history: History; error: unknown }) {
  const nodes = history.overview?.nodes.map((node) => node.node) ?? [];
  switch (route.screen) {
    case "clients":
      return route.id ? <ClientScreen key={route.id} id={route.id} /> : <ClientsScreen route={route} nodes={nodes} />;
    case "slow":
      return <SlowScreen />;
    case "events":
      return <EventsScreen route={route} />;
    case "retained":
      return <RetainedScreen route={route} />;
    case "topics":
      return <TopicsScreen overview={history.overview} />;
    case "explain":
      return <ExplainScreen key={JSON.stringify(route.query)} route={route} />;
    case "partitions":
      return <PartitionsScreen />;
    case "config":
      return <ConfigScreen route={route} />;
    default:
      return <OverviewScreen history={history} error={error} />;
  }
}

// Says when the figures are old; quiet while all is well.
function Stale({ error }: { error: unknown }) {
  return (
    <div class={error ? "stale stale-on" : "stale"} role="status">
      {error ? "The node does not answer. What is shown is old." : ""}
    </div>
  );
}

function Board({ route, signOut }: { route: Route; signOut: (() => void) | null }) {
  const [history, setHistory] = useState<History>(NO_HISTORY);
  const { data, error } = usePoll("overview", (signal) => ask<Overview>("overview", { signal }));
  useEffect(() => {
    if (data) setHistory((old) => remember(old, data));
  }, [data]);
  const main = useRef<HTMLElement>(null);
  const place = `${route.screen} ${route.id ?? ""}`;
  const first = useRef(true);
  useEffect(() => {
    const name = SCREENS.find(([screen]) => screen === route.screen)?.[1] ?? "Overview";
    document.title = `${route.id ?? name} · SkeinMQ`;
    // A new screen is read from its beginning; when the page is opened, the focus stays where the browser puts it.
    if (!first.current) main.current?.querySelector<HTMLElement>("#title")?.focus();
    first.current = false;
  }, [place]);
  return (
    <div class="layout">
      <Navigation route={route} signOut={signOut} />
      <main id="main" ref={main} tabIndex={-1}>
        <Stale error={history.overview ? error : null} />
        <Screen route={route} history={history} error={error} />
      </main>
    </div>
  );
}

function App() {
  const route = useRoute();
  const [wanted, setWanted] = useState<string | null>(null); // a token is; why the last one was not right
  const [signedIn, setSignedIn] = useState(token() !== "");
  useEffect(() => onUnauthorized(setWanted), []);
  const signIn = (value: string) => {
    setToken(value);
    setSignedIn(true);
    setWanted(null);
  };
  const signOut = () => {
    setToken("");
    setSignedIn(false);
    setWanted("");
  };
  const skip = (event: Event) => {
    event.preventDefault(); // the address has the screen in it
    document.getElementById("main")?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      {wanted === null ? <Board route={route} signOut={signedIn ? signOut : null} /> : <SignIn why={wanted} submit={signIn} />}
      <Toasts />
    </>
  );
}

const root = document.getElementById("app");
if (root) {
  root.textContent = "";
  followSystem();
  render(<App />, root);
}
