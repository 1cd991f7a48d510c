// Last, when all is defined.

filter();
if (location.hash) choose(location.hash.slice(1));
if (byId("overview")) setTimeout(drawOverview, 50); // after the page has been painted
if (byId("map")) setTimeout(() => { drawMap(); drawRates(); }, 50);
