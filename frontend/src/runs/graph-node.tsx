/** One node of a run's graph: a step, a group of many, folded or with its members in a frame, or a plan. */

import { executions } from "../address/links.ts";
import { share } from "../parts/share.tsx";
import { count, duration, plural } from "../words/format.ts";
import { executionMark } from "../words/states.ts";
import { type Box, columns, hasMore, MEMBER } from "./graph-layout.ts";
import type { Member, Node } from "./graph.ts";

const ALARMING = ["critical", "lost"];

interface Props {
  run: string;
  node: Node;
  box: Box;
  /** Execution whose details are shown. */
  selected: string | null;
  /** Whether that one stands in this node. */
  holds: boolean;
  /** Whether Tab stops here; arrows go to the others. */
  stop: boolean;
  select: (id: string) => void;
  turn: (key: string) => void;
}

export function GraphNode(props: Props) {
  const { node, box, holds } = props;
  const style = { left: `${box.x}px`, top: `${box.y}px`, width: `${box.width}px`, height: `${box.height}px` };
  if (node.kind === "join") return <span class={`cm-graph-join ${node.lit ? "cm-lit" : ""}`} style={style} />;
  const tone = executionMark(node.state).tone;
  const classes = ["cm-node", `cm-node-${node.kind}`, `cm-edge-${tone}`, node.lit ? "cm-lit" : "", node.open ? "cm-node-open" : "", holds ? "cm-node-held" : ""];
  return (
    <div class={classes.filter(Boolean).join(" ")} style={style}>
      <Face {...props} />
      {node.open && <Members {...props} />}
    </div>
  );
}

/** What of the node can be pressed: a step shows its details, a group opens or folds, one without known members leads to a list. */
function Face({ run, node, selected, stop, select, turn }: Props) {
  const words = said(node);
  const content = <><NameLine node={node} /><FigureLine node={node} /><span class="cm-unseen">{words}</span></>;
  const shared = { class: "cm-node-face", title: words, "data-node": node.key, tabIndex: stop ? 0 : -1 };
  if (node.kind === "step" && node.id !== null)
    return <button type="button" {...shared} aria-pressed={node.id === selected} onClick={() => select(node.id!)}>{content}</button>;
  if (node.kind === "group" && node.opens)
    return <button type="button" {...shared} aria-expanded={node.open} onClick={() => turn(node.key)}>{content}</button>;
  if (node.kind === "group")
    return <a {...shared} href={listOf(run, node)}>{content}</a>;
  return <span {...shared} role="group">{content}</span>;
}

function NameLine({ node }: { node: Node }) {
  const mark = executionMark(node.state);
  return (
    <span class="cm-node-line">
      <span class={`cm-state-${mark.tone}`} aria-hidden="true">{mark.shape}</span>
      <span class="cm-node-name cm-node-task"><bdi dir="ltr">{node.name}</bdi></span>
      {node.count > 1 && <b>×{count(node.count)}</b>}
      {node.lit && <span class="cm-star" aria-hidden="true">★</span>}
      {node.kind === "group" && node.opens && <span class="cm-muted" aria-hidden="true">{node.open ? "▾" : "▸"}</span>}
    </span>
  );
}

function FigureLine({ node }: { node: Node }) {
  const mark = executionMark(node.state);
  if (node.kind === "planned") return <span class="cm-node-line cm-muted">{mark.word}</span>;
  if (node.waits) return <span class="cm-node-line cm-warn"><span class="cm-node-name">waits {duration(node.waits.seconds)} for {node.waits.name}</span></span>;
  const retries = node.attempts - node.count;
  return (
    <span class="cm-node-line">
      {node.kind === "group" ? <>
        {node.p50 !== null && <span><span class="cm-muted">p50</span> {duration(node.p50)}</span>}
        <States states={node.states} />
      </> : <>
        {node.seconds > 0 ? <b class="cm-node-time">{duration(node.seconds)}</b> : <span class="cm-muted">{mark.word}</span>}
        {node.share !== null && <span class="cm-muted">{share(node.share)}</span>}
        {node.seconds > 0 && node.state !== "SUCCESS" && <span class={`cm-state-${mark.tone}`}>{mark.word}</span>}
      </>}
      {retries > 0 && <span class="cm-warn">↻{count(retries)}</span>}
    </span>
  );
}

/** States by their number, what failed first: it is what a narrow node has room for. */
function States({ states }: { states: Node["states"] }) {
  const marked = Object.entries(states).map(([state, n]) => ({ state, n, ...executionMark(state) }));
  const alarming = (tone: string) => Number(ALARMING.includes(tone));
  marked.sort((a, b) => alarming(b.tone) - alarming(a.tone) || b.n - a.n);
  return (
    <>
      {marked.slice(0, 3).map(({ state, n, shape, tone }) => <span key={state} class={`cm-state-${tone}`}>{shape} {count(n)}</span>)}
    </>
  );
}

function Members({ run, node, box, selected, select }: Props) {
  return (
    <>
      <ul class="cm-members" aria-label={`Members of ${node.name}`} style={{ gridTemplateColumns: `repeat(${columns(node.members.length)}, ${MEMBER.width}px)` }}>
        {node.members.map((m) => (
          <li key={m.id}>
            <button type="button" class={`cm-member cm-edge-${executionMark(m.state).tone} ${m.lit ? "cm-lit" : ""}`} data-node={m.id} tabIndex={-1} aria-pressed={m.id === selected} title={memberSaid(m)} onClick={() => select(m.id)}>
              <span class={`cm-state-${executionMark(m.state).tone}`} aria-hidden="true">{executionMark(m.state).shape}</span>
              {m.seconds > 0 ? duration(m.seconds) : executionMark(m.state).word}
              {m.attempts > 1 && <span class="cm-warn">↻{count(m.attempts - 1)}</span>}
              {m.lit && <span class="cm-star" aria-hidden="true">★</span>}
              <span class="cm-unseen">{memberSaid(m)}</span>
            </button>
          </li>
        ))}
      </ul>
      {hasMore(node) && <a class="cm-members-more" href={listOf(run, node)} tabIndex={-1} data-node={`${node.key} list`} style={{ maxWidth: `${box.width}px` }}>{count(node.count - node.members.length)} more: all in a list</a>}
    </>
  );
}

function listOf(run: string, node: Node): string {
  return executions({ run, task: node.name, window: "92d" });
}

/** A node in words, for who does not see it. */
function said(node: Node): string {
  return [
    `${node.name}${node.count > 1 ? ` ×${node.count}` : ""}`,
    node.kind === "group"
      ? Object.entries(node.states).map(([state, n]) => `${count(n)} ${executionMark(state).word}`).join(", ")
      : executionMark(node.state).word,
    node.kind === "group" && node.p50 !== null && `p50 ${duration(node.p50)}`,
    node.seconds > 0 && `ran ${duration(node.seconds)}${node.count > 1 ? " in all" : ""}`,
    node.attempts > node.count && plural(node.attempts - node.count, "retry", "retries"),
    node.share !== null && `${share(node.share)} of the run`,
    node.lit && "on the path that set the duration",
    node.waits && `waits ${duration(node.waits.seconds)} for ${node.waits.name}`,
    node.id,
  ].filter(Boolean).join(", ");
}

function memberSaid(m: Member): string {
  return [
    `${m.name}: ${executionMark(m.state).word}`,
    m.seconds > 0 && `ran ${duration(m.seconds)}`,
    m.attempts > 1 && plural(m.attempts - 1, "retry", "retries"),
    m.lit && "on the path that set the duration",
    m.id,
  ].filter(Boolean).join(", ");
}
