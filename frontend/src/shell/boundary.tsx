/** Shows a fault of the page itself instead of an empty place. */

import { Component, type ComponentChildren } from "preact";
import { base } from "../address/links.ts";
import { Notice } from "../parts/notice.tsx";

interface Props {
  children: ComponentChildren;
}

export class Boundary extends Component<Props, { fault: string | null }> {
  override state = { fault: null };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ fault: String(error) });
  }

  override render() {
    if (!this.state.fault) return this.props.children;
    return (
      <Notice tone="critical" title="This page has a fault.">
        {this.state.fault}. <a href={location.href} target="_self">Load it again</a>; the JSON API at{" "}
        <code>{base.home}/api/v1/summary</code> is not touched by it.
      </Notice>
    );
  }
}
