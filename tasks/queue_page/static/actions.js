// Makes changes. The page first asks a question, and may show what would happen. Each change leaves an audit row.

import { addressOf, el, mayAct, page } from "./dom.js";

function xsrfToken() {
  return document.cookie.split("; ").find((cookie) => cookie.startsWith("_xsrf="))?.slice(6) ?? "";
}

async function post(action, body) {
  const response = await fetch(addressOf(`/api/do/${action}`), {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-Xsrftoken": xsrfToken() },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// dryRun: ask the server first how many records would change.
// fields: further inputs, each as [name, label, attributes].
export function button(label, { action, body, question, dryRun = false, fields = [], danger = false, done = () => {} }) {
  return el("button", {
    type: "button",
    class: `btn btn-sm ${danger ? "btn-outline-danger" : "btn-outline-secondary"}`,
    disabled: !mayAct,
    title: mayAct ? null : page.dataset.whyNotAct,
    onclick: () => confirmAndDo({ label, action, body, question, dryRun, fields, danger, done }),
  }, label);
}

async function confirmAndDo({ label, action, body, question, dryRun, fields, danger, done }) {
  const sent = typeof body === "function" ? body() : body;
  const opener = document.activeElement;
  const said = el("p", { class: "queue-muted", role: "status" });
  const inputs = fields.map(([name, text, attributes]) =>
    el("label", { class: "queue-field" }, text, el("input", { name, class: "form-control form-control-sm", ...attributes })));
  const go = el("button", { type: "submit", class: `btn btn-sm ${danger ? "btn-danger" : "btn-primary"}` }, label);
  const cancel = el("button", { type: "button", class: "btn btn-sm btn-outline-secondary", onclick: () => dialog.close() }, "Not now");
  const dialog = el("dialog", { class: "queue-dialog", "aria-labelledby": "queue-dialog-title" },
    el("form", { method: "dialog", onsubmit: act }, el("h2", { id: "queue-dialog-title" }, label),
      el("p", {}, question), inputs, said, el("div", { class: "queue-buttons" }, go, cancel)));
  dialog.addEventListener("close", () => { dialog.remove(); returnFocus(opener, label); });
  page.append(dialog);
  dialog.showModal();
  if (dryRun) {
    await attempt(said, go, async () => {
      const would = await post(action, { ...sent, dry_run: true });
      said.textContent = would.text;
      return would.affected + would.counts.asked > 0;
    });
  }

  async function act(event) {
    event.preventDefault();
    const more = Object.fromEntries(inputs.map((field) => field.querySelector("input"))
      .map((input) => [input.name, input.type === "number" ? Number(input.value) : input.value]));
    await attempt(said, go, async () => {
      const answer = await post(action, { ...sent, ...more });
      inputs.forEach((field) => field.remove());
      said.textContent = answer.text;
      said.className = "queue-done";
      go.remove();
      cancel.textContent = "Close";
      cancel.focus();
      done(answer);
      return true;
    });
  }
}

// The page may have been redrawn while the dialog was open. Then the focus goes to the button with the same label,
// or to the heading if there is no such button.
function returnFocus(opener, label) {
  const again = opener?.isConnected && opener !== document.body ? opener
    : [...page.querySelectorAll("button")].find((one) => one.textContent === label);
  const heading = page.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  (again ?? heading)?.focus();
}

// `work` returns whether there is anything to do.
async function attempt(said, go, work) {
  go.disabled = true;
  try {
    go.disabled = !(await work());
  } catch (error) {
    said.textContent = error.message;
    said.className = "queue-trouble";
  }
}
