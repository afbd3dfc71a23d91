import { init } from "echarts";
import { type Beside, type Row, ratio } from "./Row.ts";

/** Read on a white page and on a dark one: the SVG has no background. */
const INK = "#808080";
const FASTER = "#2a9d5c";
const SLOWER = "#d9732e";

const ROW_HEIGHT = 22;
const WIDTH = 1120;
/** Of the names of rows: there is no canvas here that could measure them. */
const NAMES = 620;

type Compared = Row & { readonly instead: Beside };

/** What is held against a Node program's way, one bar each: how many times as long that way takes. A logarithmic axis. */
export const chart = (rows: ReadonlyArray<Row>): string => {
  const compared = rows.filter((row): row is Compared => row.instead !== undefined).reverse();
  const height = compared.length * ROW_HEIGHT + 80;
  const drawing = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  drawing.setOption({
    animation: false,
    textStyle: { color: INK, fontFamily: "sans-serif" },
    grid: { left: NAMES, right: 60, top: 50, bottom: 10 },
    xAxis: {
      type: "log",
      position: "top",
      name: "the other way takes so many times as long",
      nameLocation: "middle",
      nameGap: 28,
      axisLabel: { color: INK, formatter: "{value} x" },
      splitLine: { lineStyle: { color: INK, opacity: 0.3 } },
    },
    yAxis: {
      type: "category",
      data: compared.map(({ name, instead }) => `${name} (${instead.name})`),
      axisLabel: { color: INK, fontSize: 11, interval: 0, width: NAMES - 80, overflow: "truncate" },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: INK } },
    },
    series: [
      {
        type: "bar",
        barWidth: "60%",
        label: {
          show: true,
          position: "right",
          color: INK,
          formatter: ({ value }: { value: unknown }) => Number(value).toPrecision(2),
        },
        data: compared.map((row) => {
          const times = 1 / (ratio(row, row.instead) ?? Number.NaN);
          return { value: times, itemStyle: { color: times >= 1 ? FASTER : SLOWER } };
        }),
      },
    ],
  });
  const svg = drawing.renderToSVGString();
  drawing.dispose();
  // Styles of a pointer above the chart, which an image has not.
  const still = svg.replace(/<style[\s\S]*?<\/style>\s*/, "");
  return `${still.replace(">", "><title>How many times as long the other way takes</title>").trimEnd()}\n`;
};
