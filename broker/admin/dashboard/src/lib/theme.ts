// Light, dark, or as the system has it.
export type Theme = "system" | "light" | "dark";

const KEY = "skeinmq.theme";

export function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    return "system"; // storage is forbidden here
  }
}

const systemIsDark = () => matchMedia("(prefers-color-scheme: dark)");

// The page says light or dark, never "system": each palette stands once in the style.
export function applyTheme(theme: Theme): void {
  const dark = theme === "system" ? systemIsDark().matches : theme === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

let chosen: Theme | undefined;

// From now on, when the system changes its mind.
export function followSystem(): void {
  systemIsDark().addEventListener("change", () => applyTheme(chosen ?? storedTheme()));
}

export function chooseTheme(theme: Theme): void {
  chosen = theme;
  applyTheme(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It holds until the page is left.
  }
}
