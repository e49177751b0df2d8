/* How the search ranks what it finds: pages before the API, the list of references and the index.
   Sphinx's searchtools.js takes this object in place of its own (html_search_scorer). */
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    const last = ["book/api", "book/references", "genindex"];
    if (last.includes(page)) return score - 200;
    if (page.startsWith("_modules/")) return score - 300;
    return score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
