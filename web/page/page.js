// SPDX-License-Identifier: BSD-3-Clause
// The resident's page: signs in, asks the gateway how things stand, and tells it what was decided.
import { clockOf, count, language, preferred, speak, t } from "./words.js";
import * as view from "./view.js";

const FAST_MS = 1000; // while something moves
const SLOW_MS = 5000;
const RETRY_MS = 3000;
const KEEP_MS = 60 * 1000;
const SILENT_MS = 50 * 1000; // a stream without a sign of life for so long is broken
const ANEW_MS = 30 * 1000; // after that another one is tried
const CODE_DIGITS = 12;
const TRIES = 10; // of a right code while others try too many

const $ = (id) => document.getElementById(id);
const page = { token: null, state: null, timer: null, older: [], more: false, ledger: -1, kept: 0, touched: 0, form: "",
    events: null, listenFrom: 0 };

// ---- asking ----

class Refused extends Error {
    constructor(status, answer) {
        super(answer.error || "failed");
        this.status = status;
        this.wait = answer.wait || 0;
    }
}

async function ask(path, body) {
    const options = { cache: "no-store", credentials: "same-origin", redirect: "error" };
    if (body) {
        Object.assign(options, { method: "POST", body: JSON.stringify(body),
            headers: { "Content-Type": "application/json", "X-HomePatch-Token": page.token || "" } });
    }
    const response = await fetch(path, options);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
        throw new Refused(response.status, answer);
    }
    return answer;
}

function say(text) {
    $("live").textContent = text;
}

function banner(text) {
    $("lost").textContent = text;
    $("lost").hidden = !text;
}

// ---- signed in or not ----

function showSignIn(text) {
    clearTimeout(page.timer);
    deaf(0);
    Object.assign(page, { token: null, state: null, ledger: -1, older: [] });
    for (const id of ["signed-in", "nav", "sign-out"]) {
        $(id).hidden = true;
    }
    $("sign-in").hidden = false;
    document.title = `${t("signin.title")} · homepatch`;
    $("code-error").textContent = text || "";
}

function showHome() {
    for (const id of ["signed-in", "nav", "sign-out"]) {
        $(id).hidden = false;
    }
    $("sign-in").hidden = true;
}

function codeError(text) {
    $("code-error").textContent = text;
    $("code").setAttribute("aria-invalid", "true");
    $("code").focus();
    $("code").select();
}

// When all who try are too many for the gateway, that is not the resident's fault: it is tried again.
async function tryCode(code) {
    for (let n = 1; ; n++) {
        try {
            return await ask("/api/sign-in", { code });
        } catch (problem) {
            if (!(problem instanceof Refused) || problem.message !== "limited" || problem.wait > 1 || n === TRIES) {
                throw problem;
            }
        }
        await new Promise((done) => setTimeout(done, 100 + Math.random() * 900));
    }
}

async function signIn(event) {
    event.preventDefault();
    const code = $("code").value.replace(/[^0-9]/g, "");
    if (code.length !== CODE_DIGITS) {
        codeError(t("signin.empty"));
        return;
    }
    try {
        page.token = (await tryCode(code)).token;
        $("code").value = "";
        $("code").removeAttribute("aria-invalid");
        $("code-error").textContent = "";
        await turn();
        $("summary-title").focus();
    } catch (problem) {
        codeError(!(problem instanceof Refused) ? t("lost") : problem.message === "limited"
            ? count("signin.limited", problem.wait) : problem.message === "code" ? t("signin.wrong") : t("failed"));
    }
}

async function signOut() {
    await ask("/api/sign-out", {}).catch(() => null);
    showSignIn();
    $("sign-in-title").focus();
}

// ---- how things stand ----

function rank(item) {
    const order = ["quarantined", "busy", "waiting", "failed"];
    const at = order.indexOf(view.standing(item.device, item.asked));
    return at < 0 ? order.length : at;
}

function isOpen(question) {
    return question.state === "Asked" || question.state === "Notice";
}

function draw(state) {
    const byKey = new Map(state.devices.map((device) => [device.key, device]));
    const asked = new Set(state.questions.filter(isOpen).map((question) => question.device));
    const questions = state.questions.map((question) => {
        const device = byKey.get(question.device) || { name: question.name, type: "", model: "" };
        const name = view.nameOf(device);
        const { gateway, type, model } = device;
        const job = view.isInstalling(device) ? { command: device.command, state: device.state, progress: device.progress,
            waits_for: device.waits_for } : {};
        // Counted from now on the gateway, they move by a second: what is shown has minutes.
        const times = Object.fromEntries(["acts_at", "until", "answer_by"].map((key) => [key, Math.round(question[key] / 60) * 60]));
        return { question: { ...question, ...times, name }, device: { gateway, type, name, model, ...job } };
    });
    // The newest question that is open is on top; what was decided is below.
    questions.sort((a, b) => isOpen(b.question) - isOpen(a.question) || b.question.number - a.question.number);
    view.keyed($("questions"), questions, (item) => item.question.number, (item) => view.questionCard(item, act));
    $("nothing").hidden = questions.length > 0;

    const devices = state.devices.map((device) => ({ device, asked: asked.has(device.key) }));
    devices.sort((a, b) => rank(a) - rank(b) || b.device.gateway - a.device.gateway ||
        view.nameOf(a.device).localeCompare(view.nameOf(b.device), language()) || (a.device.key < b.device.key ? -1 : 1));
    view.keyed($("device-list"), devices, (item) => item.device.key, (item) => view.deviceCard(item, act));
    $("more-devices").hidden = !state.more;
    $("more-devices").textContent = state.more ? count("devices.more", state.more) : "";
    drawSummary(state, questions.filter((item) => isOpen(item.question)).length);
    drawRules(state.home);
    $("clock").textContent = t("home.clock", { time: clockOf(state.now + state.home.offset) });
}

function drawSummary(state, waiting) {
    const [kind, mark, title, text] = view.summaryOf(state, waiting);
    if ($("summary").dataset.text === title + text) {
        return;
    }
    $("summary").dataset.text = title + text;
    $("summary-picture").className = `picture big ${kind}`;
    $("summary-picture").replaceChildren(view.icon(mark));
    $("summary-title").textContent = title;
    $("summary-text").textContent = text;
    document.title = `${title} · homepatch`;
}

// Not while the resident fills it in.
function drawRules(home) {
    const now = JSON.stringify([home, language()]);
    if (now === page.form || $("home-form").contains(document.activeElement)) {
        return;
    }
    page.form = now;
    $("policies").replaceChildren(...view.policyChoices(home));
    $("quiet-start").value = home.quiet_start;
    $("quiet-end").value = home.quiet_end;
    $("quiet-only").checked = home.quiet_only;
    $("floor").hidden = !home.floor;
    $("floor").textContent = home.floor
        ? t("home.floor", { severity: t(`severity.${home.floor}`), n: home.floor_days }) : "";
}

// Said aloud: what began, what ended and how, what is asked anew. Never each percent.
function announce(before, after) {
    const old = new Map(before.devices.map((device) => [device.key, device]));
    const numbers = new Set(before.questions.map((question) => question.number));
    const news = [];
    for (const device of after.devices) {
        const was = old.get(device.key);
        const name = view.nameOf(device);
        if (!was) {
            continue;
        }
        if (!view.isInstalling(was) && view.isInstalling(device)) {
            news.push(t("started", { name }));
        } else if (was.command === "Activate" && device.version !== was.version) {
            news.push(t("done.good", { name, version: device.version }));
        } else if (view.isInstalling(was) && !device.command) {
            news.push(t("done.bad", { name, version: device.version }));
        }
    }
    for (const question of after.questions) {
        if (!numbers.has(question.number) && isOpen(question)) {
            news.push(t("asked", { name: question.name }));
        }
    }
    if (news.length) {
        say(news.join(" "));
    }
}

async function refresh() {
    clearTimeout(page.timer);
    await take(await ask("/api/state"));
}

// Asked or told: what is older than what is shown is nothing new.
async function take(state) {
    const before = page.state;
    if (page.events && before && state.number < before.number) {
        return;
    }
    page.token = state.token;
    page.state = state;
    banner("");
    showHome();
    draw(state);
    if (before) {
        announce(before, state);
    }
    if (state.ledger !== page.ledger) {
        page.ledger = state.ledger;
        await loadHistory();
    }
}

// ---- told, not asked ----

function deaf(until) {
    if (page.events) {
        page.events.close();
        page.events = null;
    }
    page.listenFrom = until;
}

// A gateway that is gone says nothing, and nor does the browser.
function heard() {
    clearTimeout(page.timer);
    page.timer = setTimeout(broken, SILENT_MS);
}

function broken() {
    deaf(Date.now() + ANEW_MS);
    turn();
}

function merged(old, fresh, gone, keyOf) {
    const all = new Map(old.map((item) => [keyOf(item), item]));
    for (const item of fresh) {
        all.set(keyOf(item), item);
    }
    for (const key of gone) {
        all.delete(key);
    }
    return [...all.values()];
}

function listen() {
    const events = new EventSource("/api/events");
    const on = (name, act) => events.addEventListener(name, (event) => {
        if (page.events === events) {
            heard();
            act(event.data);
        }
    });
    page.events = events;
    heard();
    on("state", (data) => take(JSON.parse(data)).catch(broken));
    on("news", (data) => {
        const news = JSON.parse(data);
        const state = page.state;
        take({ ...state, ...news, home: news.home || state.home,
            questions: merged(state.questions, news.questions, news.answered, (question) => question.number),
            devices: merged(state.devices, news.devices, news.gone, (device) => device.key) }).catch(broken);
    });
    on("alive", () => banner(""));
    // Signed out, or another window of this browser is told instead: this one asks, until it is looked at again.
    on("end", () => {
        deaf(Infinity);
        turn();
    });
    events.addEventListener("error", () => {
        if (page.events === events) {
            broken();
        }
    });
}

// Asks how things stand, then is told; where it cannot be told it asks again.
async function turn() {
    clearTimeout(page.timer);
    let wait = RETRY_MS;
    try {
        await refresh();
        await keep();
        if (!page.events && !document.hidden && Date.now() >= page.listenFrom) {
            listen();
        }
        wait = page.state.devices.some((device) => device.state && device.state !== "Waiting") ? FAST_MS : SLOW_MS;
    } catch (problem) {
        if (problem instanceof Refused && problem.status === 401) {
            showSignIn(page.state ? t("signin.ended") : "");
            return;
        }
        banner(t("lost"));
    }
    clearTimeout(page.timer);
    if (page.events) {
        heard();
    } else if (!document.hidden) {
        page.timer = setTimeout(turn, wait);
    }
}

// The session ends when nobody uses the page, not when it is only open.
async function keep() {
    if (page.touched > page.kept && Date.now() - page.kept > KEEP_MS) {
        page.kept = Date.now();
        await ask("/api/keep", {});
    }
}

// ---- history ----

async function loadHistory() {
    const answer = await ask("/api/history");
    const newest = answer.entries;
    const last = newest.length ? newest[newest.length - 1].number : 0;
    page.older = page.older.filter((entry) => entry.number < last);
    if (!page.older.length) {
        page.more = answer.more;
    }
    drawHistory([...newest, ...page.older]);
}

function drawHistory(entries) {
    view.keyed($("entries"), entries, (entry) => entry.number, view.entryLine);
    $("entries").hidden = !entries.length;
    $("no-history").hidden = entries.length > 0;
    $("more-history").hidden = !page.more;
    page.entries = entries;
}

async function olderHistory() {
    try {
        const answer = await ask(`/api/history/${page.entries[page.entries.length - 1].number}`);
        page.older.push(...answer.entries);
        page.more = answer.more;
        drawHistory([...page.entries, ...answer.entries]);
    } catch {
        say(t("failed"));
    }
}

// ---- what the resident does ----

function refusal(problem) {
    if (problem instanceof Refused && problem.status === 401) {
        showSignIn(t("signin.ended"));
        return t("signin.ended");
    }
    return problem.message === "changed" ? t("changed") : t("failed");
}

const act = {
    async decide(question, choice, buttons) {
        if (buttons.dataset.busy) {
            return;
        }
        buttons.dataset.busy = "yes";
        buttons.setAttribute("aria-busy", "true");
        try {
            await ask("/api/decide", { question: question.number, choice, wording: view.wordingOf(question) });
            say(t(`said.${choice}`, { name: question.name }));
            await turn();
        } catch (problem) {
            const text = refusal(problem);
            say(text);
            banner(text);
            await refresh().catch(() => null);
            banner(text);
        }
        delete buttons.dataset.busy;
        buttons.removeAttribute("aria-busy");
    },

    confirm: confirmIdentity,

    async identity(device, mine) {
        $("confirm").close();
        try {
            await ask("/api/identity", { device: device.key, mine, changed: device.changed, was: device.was, is: device.is });
            say(t(mine ? "identity.mine.said" : "identity.other.said", { name: view.nameOf(device) }));
            await turn();
        } catch (problem) {
            const text = refusal(problem);
            say(text);
            await refresh().catch(() => null);
            banner(text);
        }
    },

    async rule(device, policy, said) {
        try {
            await ask("/api/policy", { device: device.key, policy });
            said.textContent = t("device.rule.saved", { rule: t(`policy.${policy}`) });
            say(said.textContent);
        } catch (problem) {
            said.textContent = refusal(problem);
        }
    },
};

// What is meant is said once more, with what it is about, before it is done.
function confirmIdentity(device, mine) {
    const name = view.nameOf(device);
    const word = mine ? "mine" : "other";
    $("confirm-title").textContent = t(`identity.${word}.title`, { name });
    $("confirm-text").textContent = t(`identity.${word}.text`, { name });
    $("confirm-facts").replaceChildren(...view.factsOf(device));
    $("confirm-yes").textContent = t(`identity.${word}`);
    $("confirm-yes").onclick = () => act.identity(device, mine);
    $("confirm").showModal();
}

async function saveRules(event) {
    event.preventDefault();
    const policy = new FormData($("home-form")).get("policy");
    try {
        await ask("/api/home", { policy, quiet_start: $("quiet-start").value, quiet_end: $("quiet-end").value,
            quiet_only: $("quiet-only").checked });
        $("home-said").textContent = t("home.saved");
    } catch (problem) {
        $("home-said").textContent = refusal(problem);
    }
}

async function changeLanguage() {
    await speak($("language").value, true);
    page.form = "";
    for (const id of ["questions", "device-list", "entries"]) {
        $(id).replaceChildren();
    }
    $("summary").dataset.text = "";
    $("code-error").textContent = "";
    if (page.state) {
        draw(page.state);
        drawHistory(page.entries || []);
    }
}

// ---- beginning ----

async function start() {
    await speak(preferred(), false);
    $("language").value = language();
    $("language").addEventListener("change", changeLanguage);
    $("sign-in-form").addEventListener("submit", signIn);
    $("sign-out").addEventListener("click", signOut);
    $("more-history").addEventListener("click", olderHistory);
    $("home-form").addEventListener("submit", saveRules);
    $("confirm-no").addEventListener("click", () => $("confirm").close());
    for (const event of ["pointerdown", "keydown"]) {
        addEventListener(event, () => {
            page.touched = Date.now();
            if (page.token) {
                keep().catch(() => null);
            }
        }, { passive: true });
    }
    document.addEventListener("visibilitychange", () => {
        deaf(0);
        if (!document.hidden && page.token) {
            turn();
        }
    });
    await turn();
}

start().catch(() => banner("The gateway does not answer. La passerelle ne répond pas."));
