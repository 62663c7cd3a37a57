// The last of the scripts of a book.
for (const root of document.querySelectorAll(".viewer")) if (root.querySelector("select")) new Editor(root).start();
