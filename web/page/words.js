// SPDX-License-Identifier: BSD-3-Clause
// Words in the resident's language: one file per language, chosen by the browser or on the page.

const languages = ["en", "fr"];
const kept = "homepatch-language";
let words = {};
let plural = new Intl.PluralRules("en");
let current = "en";

// Some browsers refuse storage; then the choice is good for this visit.
function stored() {
    try {
        return localStorage.getItem(kept);
    } catch {
        return null;
    }
}

function store(language) {
    try {
        localStorage.setItem(kept, language);
    } catch {
        // see above
    }
}

export function preferred() {
    const wanted = [stored(), ...(navigator.languages || [navigator.language])];
    for (const language of wanted) {
        const short = (language || "").slice(0, 2).toLowerCase();
        if (languages.includes(short)) {
            return short;
        }
    }
    return "en";
}

export async function speak(language, remember) {
    const response = await fetch(`/lang/${language}.json`);
    if (!response.ok) {
        throw new Error("no words");
    }
    words = await response.json();
    current = language;
    plural = new Intl.PluralRules(language);
    if (remember) {
        store(language);
    }
    document.documentElement.lang = language;
    for (const node of document.querySelectorAll("[data-t]")) {
        node.textContent = t(node.dataset.t);
    }
    for (const node of document.querySelectorAll("[data-label]")) {
        node.setAttribute("aria-label", t(node.dataset.label));
    }
}

export function known(key) {
    return Object.hasOwn(words, key);
}

// A text from outside stays by itself, whatever its direction of writing (Unicode UAX 9: isolates).
function isolate(value) {
    return typeof value === "number" ? value.toLocaleString(current) : `\u2068${value}\u2069`;
}

export function t(key, values = {}) {
    if (!known(key)) {
        console.error(`there are no words for ${key}`);
    }
    const text = known(key) ? words[key] : key;
    return text.replace(/\{(\w+)\}/g, (all, name) => (Object.hasOwn(values, name) ? isolate(values[name]) : all));
}

export function count(key, n, values = {}) {
    const form = plural.select(n);
    return t(known(`${key}.${form}`) ? `${key}.${form}` : `${key}.other`, { n, ...values });
}

export function when(seconds) {
    const date = new Date(seconds * 1000);
    return new Intl.DateTimeFormat(current, { weekday: "short", day: "numeric", month: "short", hour: "2-digit",
        minute: "2-digit" }).format(date);
}

// Of a clock that shows another zone than the browser's.
export function clockOf(seconds) {
    return new Intl.DateTimeFormat(current, { hour: "2-digit", minute: "2-digit", timeZone: "UTC" }).format(new Date(seconds * 1000));
}

export function duration(seconds) {
    for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
        if (seconds >= size && seconds % size === 0) {
            return count(`time.${unit}`, seconds / size);
        }
    }
    return count("time.seconds", seconds);
}

export function language() {
    return current;
}
