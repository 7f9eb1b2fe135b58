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
