// The last of the viewer's scripts.
for (const root of document.querySelectorAll(".viewer"))
  if (root.querySelector("select")) new Viewer(root).start();
