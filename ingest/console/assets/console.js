// What the console adds for those whose browser runs scripts. Every page works without.
"use strict";

// Buttons that copy a whole ID: without a script they are hidden.
for (const button of document.querySelectorAll("button.copy")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
        const said = document.getElementById("copied");
        try {
            await navigator.clipboard.writeText(button.dataset.copy);
        } catch {
            said.textContent = "The browser does not allow copying.";
            return;
        }
        said.textContent = `Copied ${button.dataset.copy}`;
        button.classList.add("done");
        setTimeout(() => button.classList.remove("done"), 1500);
    });
}

// A slash goes to the search field, unless something is being typed.
document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    const find = document.getElementById("find");
    if (event.key !== "/" || typing || !find) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    find.focus();
});

// The form that uploads a file becomes a drop zone, and shows how far the upload is.
function say(form, text) {
    const status = form.querySelector(".sent");
    status.hidden = false;
    status.textContent = text;
}

function write(bytes) {
    return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function isTooLarge(form, file) {
    const most = Number(form.dataset.max);
    if (file.size <= most) return false;
    say(form, `${write(file.size)} is more than this server takes (${write(most)}). Compress the file, or split it.`);
    return true;
}

function send(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const file = form.querySelector("input[type=file]").files[0];
    if (!file || isTooLarge(form, file)) return;
    const button = form.querySelector("button");
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
        const percent = Math.floor((100 * loaded) / total);
        say(form, percent < 100 ? `Uploading: ${percent}%, ${write(loaded)} of ${write(total)}` : "Reading the file …");
    });
    request.addEventListener("load", () => show(request));
    request.addEventListener("error", () => {
        button.disabled = false;
        say(form, "The connection was lost. Upload the file again.");
    });
    button.disabled = true;
    request.send(new FormData(form));
}

// The page that answers: that of the columns, or this one with what is wrong.
function show(request) {
    if (new URL(request.responseURL).pathname !== location.pathname) {
        location.assign(request.responseURL);
        return;
    }
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
    start();
}

function start() {
    const zone = document.querySelector("form.drop");
    if (!zone) return;
    const field = zone.querySelector("input[type=file]");
    for (const kind of ["dragover", "dragleave", "drop"]) {
        zone.addEventListener(kind, (event) => {
            event.preventDefault();
            zone.classList.toggle("over", kind === "dragover");
        });
    }
    zone.addEventListener("drop", ({ dataTransfer }) => {
        if (!dataTransfer.files.length) return;
        field.files = dataTransfer.files;
        zone.requestSubmit();
    });
    zone.addEventListener("submit", send);
}

start();
