"use strict";
// Unfolds the implementation that the address names.
(() => {
  const root = document.documentElement;
  const unfold = () => {
    const wanted = location.hash && document.getElementById(location.hash.slice(1));
    if (wanted instanceof HTMLDetailsElement) {
      wanted.open = true;
      wanted.scrollIntoView();
      root.dataset.at = wanted.id;
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
  // Back to the matrix as it was, filter and all.
  const up = document.getElementById("up");
  if (document.referrer.split("#")[0] === up.href) up.addEventListener("click", (event) => { event.preventDefault(); history.back(); });
  root.dataset.ready = "yes";
  root.dataset.fits = root.scrollWidth <= innerWidth ? "yes" : "no";
})();
