// Asks for the bearer token when the API wants one.
import { useState } from "preact/hooks";

export function SignIn({ why, submit }: { why: string; submit: (token: string) => void }) {
  const [value, setValue] = useState("");
  return (
    <main id="main" class="sign-in" tabIndex={-1}>
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          if (value.trim()) submit(value.trim());
        }}
      >
        <h1 id="title" tabIndex={-1}>Sign in</h1>
        <p class="quiet">
          This node asks for a bearer token: one of <code>admin.tokens</code>, or what is in <code>admin.token_file</code>.
        </p>
        {why && <div class="notice notice-bad" role="alert">The node says: {why}.</div>}
        <div class="field">
          <label for="token">Token</label>
          <input
            id="token" type="password" autocomplete="current-password" value={value} required
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </div>
        <button type="submit" class="button button-full">Sign in</button>
        <p class="quiet small">It is kept until this tab is closed.</p>
      </form>
    </main>
  );
}
