// SPDX-License-Identifier: BSD-3-Clause
// What is seen. Everything that a device or an operator says is text, never markup: nodes are made one by one.
import { count, duration, known, t, when } from "./words.js";

const choices = ["Now", "Tonight", "Later", "Never", "Withdraw"];
const policies = ["Automatic", "SecurityAutomatic", "Ask", "Never"];
const svg = "http://www.w3.org/2000/svg";

// ---- making nodes ----

export function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) {
            node.addEventListener(name.slice(2), value);
        } else if (value === true) {
            node.setAttribute(name, "");
        } else if (value !== false && value !== null && value !== undefined) {
            node.setAttribute(name, value);
        }
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
}

export function icon(name) {
    const image = document.createElementNS(svg, "svg");
    const use = document.createElementNS(svg, "use");
    image.setAttribute("class", "icon");
    image.setAttribute("aria-hidden", "true");
    image.setAttribute("focusable", "false");
    use.setAttribute("href", `#i-${name}`);
    image.append(use);
    return image;
}

// Keeps what has not changed, so that focus, open details and a reader's place stay. Where something with the focus is made
// anew, the focus goes to the same part of it, or to its title.
export function keyed(list, items, keyOf, build) {
    const old = new Map([...list.children].map((node) => [node.dataset.key, node]));
    let at = null;
    for (const item of items) {
        const key = String(keyOf(item));
        const signature = JSON.stringify(item);
        let node = old.get(key);
        old.delete(key);
        if (!node || node.dataset.signature !== signature) {
            const fresh = build(item);
            fresh.dataset.key = key;
            fresh.dataset.signature = signature;
            if (node) {
                renew(node, fresh);
            }
            node = fresh;
        }
        const next = at ? at.nextSibling : list.firstChild;
        if (next !== node) {
            list.insertBefore(node, next);
        }
        at = node;
    }
    for (const node of old.values()) {
        const focused = node.contains(document.activeElement);
        node.remove();
        if (focused) {
            list.closest("section").querySelector("h2").focus();
        }
    }
}

function renew(node, fresh) {
    const focused = node.contains(document.activeElement) ? document.activeElement.dataset.part || "title" : null;
    for (const details of node.querySelectorAll("details[open]")) {
        const same = fresh.querySelector(`details[data-part="${details.dataset.part}"]`);
        if (same) {
            same.open = true;
        }
    }
    node.replaceWith(fresh);
    if (focused) {
        const part = fresh.querySelector(`[data-part="${focused}"]:not([disabled])`) ||
            fresh.querySelector('[data-part="title"]');
        part.focus({ preventScroll: true });
    }
}

// ---- devices ----

const kinds = [
    ["light", /light|bulb|lamp|dimmer|led|rgb|ampoule|color/i],
    ["plug", /plug|outlet|socket|prise/i],
    ["climate", /therm|climate|trv|heat|valve|radiator/i],
    ["camera", /cam|doorbell/i],
    ["lock", /lock|serrure/i],
    ["blind", /blind|shutter|curtain|cover|roller|2pm/i],
    ["sensor", /sensor|motion|door|window|leak|smoke|h&t|ht|flood|button|remote/i],
    ["gateway", /gateway|bridge|router|coordinator|hub/i],
    ["switch", /switch|relay|plus ?1|plus ?2|pro ?\d|sonoff|basic|1pm/i],
];

export function kindOf(device) {
    if (device.gateway) {
        return "gateway";
    }
    for (const source of [device.type, device.name, device.model]) {
        const kind = kinds.find(([, pattern]) => pattern.test(source));
        if (kind) {
            return kind[0];
        }
    }
    return "device";
}

export function nameOf(device) {
    return device.name || (device.gateway ? t("device.gateway") : device.model || t("device.unnamed"));
}

// What of a device matters most.
export function standing(device, asked) {
    if (device.quarantined) {
        return "quarantined";
    }
    if (isInstalling(device)) {
        return "busy";
    }
    if (asked) {
        return "waiting";
    }
    return lastOutcome(device) ? "failed" : device.online ? "online" : "offline";
}

// What became of the last update when that was no success: [what, why]; the newest has not ended while one is under way.
function lastOutcome(device) {
    const [, , what, why] = /^(Download|Activate) (Failed|RolledBack|Expired)(?:: (.*))?$/s.exec(device.last_result) || [];
    return what && !device.state ? [what, why] : null;
}

export function isInstalling(device) {
    return device.command === "Activate" && device.state !== "Waiting" && device.state !== "Requested";
}

const badges = { quarantined: "warn", busy: "up", waiting: "question", failed: "warn", online: "check", offline: "away" };

export function picture(device, state) {
    const kind = kindOf(device);
    return el("div", { class: `picture ${state}`, role: "img", "aria-label": t(`kind.${kind}`) + ", " + t(`device.${state}`) },
        icon(kind), el("span", { class: "badge" }, icon(badges[state])));
}

function stepOf(device) {
    if (!device.state) {
        return "";
    }
    return device.state === "Waiting" && known(`waits.${device.waits_for}`) ? t(`waits.${device.waits_for}`)
        : device.state === "Transferring" && device.waits_for ? t("waits.device") : t(`job.${device.state}`);
}

// A bar where the device counts, else one that only moves.
function progressOf(device) {
    if (!device.state || device.waits_for === "consent") {
        return null;
    }
    const step = stepOf(device);
    const working = isInstalling(device) || device.state === "Fetching" || device.state === "Verifying";
    const counted = (device.state === "Transferring" || device.state === "Fetching") && device.progress > 0;
    const parts = [el("p", { class: "step" }, el("span", {}, step),
        counted ? el("span", { class: "number" }, t("job.percent", { n: device.progress })) : null)];
    if (working) {
        const bar = el("progress", { max: 100, "aria-label": t("job.progress", { name: nameOf(device) }) });
        if (counted) {
            bar.value = device.progress;
        }
        parts.push(bar);
    }
    return el("div", { class: "progress" }, ...parts);
}

export function factsOf(device) {
    const fact = (name, text) => el("div", {}, el("dt", {}, t(name)), el("dd", {}, el("bdi", {}, text)));
    const facts = known(`changed.${device.changed}`) ? [fact("quarantine.fact", t(`changed.${device.changed}`))]
        : [fact("quarantine.reason", device.reason)];
    if (device.was || device.is) {
        facts.push(fact("quarantine.was", device.was || "–"), fact("quarantine.is", device.is || "–"));
    }
    return facts;
}

// The way out is the resident's, or, with its reason, the operator's.
function waysOut(device, act) {
    const name = nameOf(device);
    const step = (key) => el("li", {}, t(key));
    if (device.why) {
        return [el("ul", {}, step("quarantine.do.1"), step("quarantine.do.2")),
            known(`why.${device.why}`) ? el("p", { class: "soft" }, t(`why.${device.why}`)) : null];
    }
    const button = (word, mine) => el("button", { type: "button", "data-part": word, "aria-haspopup": "dialog",
        "aria-label": `${t(`identity.${word}`)}: ${name}`, onclick: () => act.confirm(device, mine) }, t(`identity.${word}`));
    return [el("ul", {}, step("identity.do.1"), step("identity.do.2")),
        el("div", { class: "buttons", role: "group", "aria-label": t("identity.group", { name }) }, button("mine", true), button("other", false))];
}

function quarantineOf(device, act) {
    return el("div", { class: "quarantine" },
        el("h4", {}, t("quarantine.title")), el("p", {}, t("quarantine.text")), el("dl", { class: "facts" }, ...factsOf(device)),
        el("h4", {}, t("quarantine.do")), ...waysOut(device, act));
}

// What the gateway says of an outcome is English, whatever the page speaks.
function reasonOf(text) {
    return el("p", { class: "soft" }, t("history.reason"), " ", el("bdi", { lang: "en" }, text));
}

function lastOf(device) {
    const [what, why] = lastOutcome(device) || [];
    return !what ? null : el("div", { class: "last" }, icon("warn"),
        el("div", { class: "grow" }, el("p", {}, t(`last.${what}`)), why ? reasonOf(why) : null));
}

function ruleOf(device, act) {
    const name = nameOf(device);
    const said = el("p", { class: "soft", role: "status" });
    const select = el("select", { "data-part": "rule", "aria-label": t("device.rule.for", { name }),
        onchange: () => act.rule(device, select.value, said) });
    for (const policy of ["Home", ...policies]) {
        select.append(el("option", { value: policy, selected: device.policy === policy }, t(`policy.${policy}`)));
    }
    return el("details", { "data-part": "more" },
        el("summary", { "data-part": "summary" }, t("device.rule")), select, said);
}

export function deviceCard(item, act) {
    const { device, asked } = item;
    const state = standing(device, asked);
    const title = el("h3", { tabindex: "-1", "data-part": "title" }, el("bdi", {}, nameOf(device)));
    const made = [device.manufacturer, device.model].filter(Boolean).join(" · ");
    const facts = [t(`device.${state}`)];
    if (state !== "online" && state !== "offline" && !device.online) {
        facts.push(t("device.offline"));
    }
    if (device.battery >= 0) {
        facts.push(t("device.battery", { n: device.battery }));
    }
    return el("li", { class: `card device is-${state}` },
        el("div", { class: "head" }, picture(device, state),
            el("div", { class: "grow" }, title,
                made ? el("p", { class: "soft" }, el("bdi", {}, made)) : null,
                el("p", { class: "soft" }, device.version ? t("device.version", { version: device.version })
                    : t("device.version.unknown")),
                el("p", { class: "standing" }, facts.join(" · ")))),
        progressOf(device),
        device.quarantined ? quarantineOf(device, act) : null,
        lastOf(device),
        ruleOf(device, act));
}

// ---- questions ----

export function wordingOf(question) {
    const name = question.name;
    return question.wording || (question.security ? t("question.default.security", { name })
        : t("question.default", { name }));
}

function tag(kind, picture_, text) {
    return el("span", { class: `tag ${kind}` }, icon(picture_), text);
}

function timesOf(question) {
    const lines = [];
    if (known(`question.until.${question.state}`) && (question.until || question.acts_at)) {
        lines.push(t(`question.until.${question.state}`, { when: when(question.until || question.acts_at) }));
    } else if (question.acts_at) {
        lines.push(t("question.acts", { when: when(question.acts_at) }));
    }
    if (question.answer_by && question.state === "Asked") {
        lines.push(t("question.answer", { when: when(question.answer_by) }));
    }
    return lines;
}

// What is not offered is shown with its reason, but for what makes no sense now.
function choicesOf(question, act) {
    if (choices.every((choice) => question.why[choice] === "too-late" || question.why[choice] === "the-same")) {
        return [];
    }
    const buttons = el("div", { class: "buttons choices", role: "group", "aria-label": t("choice.group", { name: question.name }) });
    const reasons = el("ul", { class: "reasons soft" });
    for (const choice of choices) {
        const why = question.why[choice];
        const reason = `why-${question.number}-${choice}`;
        if (why === "the-same" || (choice === "Withdraw" && why)) {
            continue;
        }
        if (why) {
            reasons.append(el("li", { id: reason }, t("choice.not", { choice: t(`choice.${choice}`), why: t(`why.${why}`) })));
        }
        buttons.append(el("button", { type: "button", "data-part": choice, class: choice === "Now" ? "primary" : choice === "Never" ? "quiet" : "",
            "aria-disabled": why ? "true" : null, "aria-describedby": why ? reason : null,
            "aria-label": `${t(`choice.${choice}`)}: ${t(`choice.${choice}.for`, { name: question.name })}`,
            onclick: () => (why ? null : act.decide(question, choice, buttons)) }, t(`choice.${choice}`)));
    }
    return [buttons, reasons.children.length ? reasons : null];
}

export function questionCard(item, act) {
    const { question, device } = item;
    const decided = ["Agreed", "Tonight", "Refused", "Later"].includes(question.state);
    const tags = el("p", { class: "tags" },
        question.security ? tag("security", "shield", t("security")) : null,
        known(`severity.${question.severity}`) ? tag(`s-${question.severity}`, "up", t(`severity.${question.severity}`)) : null,
        isInstalling(device) ? tag("security", "up", t("device.busy"))
            : tag("state", decided ? "check" : "clock", t(`state.${question.state}`)));
    return el("article", { class: `card question is-${question.state}`, "aria-labelledby": `q-${question.number}` },
        el("div", { class: "head" }, picture(device, isInstalling(device) ? "busy" : decided ? "online" : "waiting"),
            el("div", { class: "grow" },
                el("h3", { id: `q-${question.number}`, tabindex: "-1", "data-part": "title" }, t("question.title", { name: question.name })),
                el("p", { class: "versions" }, question.from ? t("question.versions", question) : t("question.version", question)),
                tags)),
        el("h4", {}, t("question.why")),
        el("p", { class: "wording" }, el("bdi", {}, wordingOf(question))),
        question.notes ? el("p", { class: "notes soft" }, t("question.notes"), el("br"), el("bdi", { class: "address" }, question.notes)) : null,
        ...timesOf(question).map((line) => el("p", { class: "times-line" }, line)),
        decided ? null : el("p", { class: "soft" }, t("question.off")),
        isInstalling(device) ? progressOf(device) : null,
        ...choicesOf(question, act));
}

// ---- history ----

const marks = { Now: "check", Tonight: "check", Installed: "check", Later: "clock", Asked: "question", Notified: "question",
    Never: "cross", Withdrawn: "question", Policy: "gear", Failed: "warn", Expired: "clock", Dropped: "cross",
    Released: "shield", Rejected: "shield", Forgotten: "cross" };

const identities = ["Released", "Rejected", "Forgotten"];

function whoOf(entry) {
    return entry.who === "Resident" ? t("who.you") : entry.who === "Controller" ? t("who.Controller", entry) : t("who.Policy");
}

// Rules as the ledger has them: the names of the data model and their values. Others are shown as they are.
function rulesOf(text) {
    const set = Object.fromEntries([...text.matchAll(/(\w+)=([^,]*)/g)].map(([, name, value]) => [name, value]));
    if (!set.Policy || !set.QuietEnd) {
        return [el("li", {}, el("bdi", {}, text))];
    }
    const lines = [t("set.policy", { value: t(`policy.${set.Policy}`) }),
        t("set.gateway", { value: t(`policy.${set.GatewayPolicy}`) }),
        set.QuietStart === set.QuietEnd ? t("set.quiet.none") : t("set.quiet", { from: set.QuietStart, to: set.QuietEnd }),
        t(`set.quiet.only.${set.QuietOnly}`),
        t("set.notice", { time: duration(Number(set.NoticePeriod)) }),
        count("set.later", Number(set.MaxDeferrals), { time: duration(Number(set.DeferralPeriod)) }),
        set.FloorSeverity === "None" ? t("set.floor.none")
            : count("set.floor", Number(set.FloorDays), { severity: t(`severity.${set.FloorSeverity}`) }),
        t(`set.identity.${set.ResidentIdentity}`)];
    return lines.map((line) => el("li", {}, line));
}

// What was shown, set, or changed, to be opened.
function detailOf(entry) {
    const open = (title, ...inside) => el("details", { "data-part": "wording" }, el("summary", {}, t(title)), ...inside);
    if (identities.includes(entry.what)) {
        const [, was, is] = /^"(.*)" > "(.*)"$/s.exec(entry.text) || ["", "", ""];
        return open("history.identity", el("dl", { class: "facts" }, ...factsOf({ changed: entry.wording, reason: entry.text, was, is })));
    }
    if (entry.what === "Policy") {
        return entry.device ? null : open("history.rules", el("ul", { class: "rules" }, ...rulesOf(entry.text)));
    }
    return entry.wording ? open("history.wording", el("p", { class: "wording" }, el("bdi", {}, entry.wording))) : null;
}

export function entryLine(entry) {
    const values = { who: whoOf(entry), name: entry.name || t("device.unnamed"), version: entry.version,
        text: known(`policy.${entry.text}`) ? t(`policy.${entry.text}`) : entry.text };
    const key = entry.what === "Policy" && !entry.device ? "what.Policy.home" : `what.${entry.what}`;
    const reason = entry.what !== "Policy" && !identities.includes(entry.what) && entry.text ? reasonOf(entry.text) : null;
    return el("li", { class: `entry e-${entry.what}` }, icon(marks[entry.what] || "gear"),
        el("div", { class: "grow" }, el("p", {}, t(key, values)), reason, detailOf(entry)),
        el("time", { class: "soft", datetime: new Date(entry.time * 1000).toISOString() }, when(entry.time)));
}

// ---- rules ----

export function policyChoices(home) {
    return policies.map((policy) => el("label", { class: "choice" },
        el("input", { type: "radio", name: "policy", value: policy, checked: home.policy === policy,
            "aria-describedby": `policy-${policy}` }),
        el("span", {}, el("strong", {}, t(`policy.${policy}`)),
            el("span", { class: "soft", id: `policy-${policy}` }, t(`policy.${policy}.what`)))));
}

export function summaryOf(state, waiting) {
    const quarantined = state.devices.filter((device) => device.quarantined).length;
    const busy = state.devices.filter(isInstalling).length;
    if (waiting) {
        return ["waiting", "question", count("summary.waiting", waiting), t("summary.waiting.text")];
    }
    if (busy) {
        return ["busy", "up", count("summary.busy", busy), t("summary.busy.text")];
    }
    if (quarantined) {
        return ["quarantined", "warn", count("summary.quarantine", quarantined), t("summary.quarantine.text")];
    }
    const failed = state.devices.filter((device) => standing(device, false) === "failed").length;
    if (failed) {
        return ["failed", "warn", t("summary.good"), count("summary.failed", failed)];
    }
    return ["online", "check", t("summary.good"), count("summary.good.text", state.devices.length + state.more)];
}
