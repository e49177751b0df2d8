/* The link to the checklist alone prints it: book.css hides the rest of the page on paper.
   Without JavaScript the link leads to the checklist, and the reader prints. */
document.addEventListener("DOMContentLoaded", () => {
  const link = document.querySelector('a[href="#checklist-alone"].print-alone');
  link?.addEventListener("click", () => setTimeout(() => window.print(), 200));
});
