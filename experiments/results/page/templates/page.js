const charts = JSON.parse(document.getElementById("charts").textContent);
for (const place of document.querySelectorAll("[data-chart]")) {
  const chart = charts[place.dataset.chart];
  Plotly.newPlot(place, chart.data, chart.layout, { responsive: true, displayModeBar: false });
}
// Paper is narrower than most windows: a chart takes the width that it has there (A4 has 695 pixels between its margins).
const fit = (onPaper) => {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const width = place.closest(".classes") ? 560 : 335;
    Plotly.relayout(place, onPaper ? { width, autosize: false } : { width: null, autosize: true });
  }
};
addEventListener("beforeprint", () => fit(true));
addEventListener("afterprint", () => fit(false));
