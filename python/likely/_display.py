"""What a fitted model looks like: a summary in text, and in a notebook its numbers beside a figure drawn as SVG."""
import numpy as np

# Colours that hold on light and dark pages.
LINE, FILL, TEXT = "#2a78b8", "#2a78b8", "currentColor"


def escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def facts(model):
    """Name and value of what matters first."""
    info = model.info()
    number = "%.6g"
    rows = [("method", info["method"])]
    if info.get("components"):
        rows[0] = ("method", "%s, %d components, covariance %s" % (info["method"], len(info["components"]), info.get("covariance")))
    if model.classes:
        rows.append(("classes", ", ".join(model.classes[:8]) + (", ..." if len(model.classes) > 8 else "")))
    rows.append(("features", "%d: %s" % (len(model.features), ", ".join(model.features[:8]) + (", ..." if len(model.features) > 8 else ""))))
    for key, name in (("n", "rows (sum of weights)"), ("log_likelihood", "log-likelihood, nats"), ("free_parameters", "free parameters"),
                      ("bic", "bic (larger is better)"), ("leave_one_out", "leave-one-out log density")):
        if isinstance(info.get(key), (int, float)):
            rows.append((name, number % info[key]))
    held = info.get("held_out")
    if held:
        rows.append(("held-out log density", "%.6g +- %.2g a row" % (held["mean_log_density"], held["standard_error"] or 0)))
    if info.get("converged") is not None:
        rows.append(("converged", "yes, %s iterations" % info["iterations"] if info["converged"] else "no"))
    if info.get("degenerate"):
        rows.append(("not to be trusted", info["degenerate"]))
    return rows + [("remark", remark) for remark in info.get("remarks") or []]


def summary(model):
    rows = facts(model)
    width = max(len(name) for name, _ in rows)
    return "\n".join("%s  %s" % (name.ljust(width), value) for name, value in rows)


def ticks(low, high, count=4):
    """Round numbers within a range."""
    step = 10 ** np.floor(np.log10((high - low) / count))
    step *= min((m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= count), default=10)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step + 0.0


class Frame:
    """A pair of axes of an SVG figure."""

    width, height, left, bottom = 380, 260, 52, 40

    def __init__(self, x, y, names):
        self.x, self.y = x, y
        self.parts = []
        for tick in ticks(*x):
            self.parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (self.at(tick, y[0])[0], self.height - 22, "%g" % (tick + 0)))
        for tick in ticks(*y):
            self.parts.append('<text x="%d" y="%.1f" text-anchor="end" dominant-baseline="middle">%s</text>'
                              % (self.left - 6, self.at(x[0], tick)[1], "%g" % (tick + 0)))
        self.parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % ((self.left + self.width) / 2, self.height - 6,
                                                                                   escape(names[0])))
        self.parts.append('<text transform="translate(11 %.1f) rotate(-90)" text-anchor="middle">%s</text>'
                          % ((self.height - self.bottom) / 2, escape(names[1])))

    def at(self, x, y):
        return (self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - self.left - 8),
                8 + (self.y[1] - y) / (self.y[1] - self.y[0]) * (self.height - self.bottom - 8))

    def svg(self, title):
        x0, y0 = self.at(self.x[0], self.y[0])
        x1, y1 = self.at(self.x[1], self.y[1])
        frame = '<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="%s" stroke-opacity=".4"/>' % (
            x0, y1, x1 - x0, y0 - y1, TEXT)
        return ('<svg role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" fill="%s" '
                'font-family="sans-serif" font-size="11"><title>%s</title>%s%s</svg>'
                % (escape(title), self.width, self.height, self.width, self.height, TEXT, escape(title), "".join(self.parts), frame))


def range_of(draws):
    low, high = np.quantile(draws, [.002, .998], axis=0)
    room = .06 * (high - low) + 1e-12 * np.maximum(abs(low), abs(high)) + 1e-300
    return low - room, high + room


def curve(model, name):
    """The density of one feature."""
    low, high = range_of(model.sample(2000)[:, 0])
    x = np.linspace(low, high, 241)
    y = np.exp(model.density(x[:, None]))
    frame = Frame((low, high), (0, max(1.06 * y.max(), 1e-300)), (name, "density"))
    points = " ".join("%.1f,%.1f" % frame.at(a, b) for a, b in zip(x, y))
    ends = ["%.1f,%.1f" % frame.at(e, 0) for e in (low, high)]
    frame.parts.append('<polygon points="%s %s %s" fill="%s" fill-opacity=".18"/>' % (ends[0], points, ends[1], FILL))
    frame.parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.6"/>' % (points, LINE))
    return frame.svg("density of %s" % name)


def cells(model, names):
    """The density of two features, in cells that are the darker the higher it is."""
    low, high = range_of(model.sample(2000))
    count = 40
    edges = [np.linspace(low[j], high[j], count + 1) for j in (0, 1)]
    middle = [(e[1:] + e[:-1]) / 2 for e in edges]
    grid = np.column_stack([g.ravel() for g in np.meshgrid(*middle, indexing="ij")])
    share = np.exp(model.density(grid)).reshape(count, count)
    share = np.sqrt(share / max(share.max(), 1e-300))
    frame = Frame((low[0], high[0]), (low[1], high[1]), names)
    for i in range(count):
        for j in range(count):
            if share[i, j] > .04:
                x, y = frame.at(edges[0][i], edges[1][j + 1])
                right, bottom = frame.at(edges[0][i + 1], edges[1][j])
                frame.parts.append('<path d="M%.1f %.1fH%.1fV%.1fH%.1fz" fill="%s" fill-opacity="%.2f" shape-rendering="crispEdges"/>'
                                   % (x, y, right, bottom, x, FILL, share[i, j]))
    return frame.svg("density of %s and %s" % tuple(names))


def figure(model):
    """The figure of a model: its first feature, or the first two; empty where it can show none."""
    offered = model.operations
    if "log_density" not in offered or "sample" not in offered or model.target is not None:
        return ""
    shown = model.features[:2]
    if len(model.features) > 2:
        if "marginal" not in offered:
            return ""
        model = model.marginal(shown)
    return curve(model, shown[0]) if len(shown) == 1 else cells(model, shown)


def html(model):
    rows = "".join('<tr><th scope="row" style="text-align:left;font-weight:normal">%s</th><td style="text-align:left">%s</td></tr>'
                   % (escape(name), escape(value)) for name, value in facts(model))
    return ('<div style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:center"><table>%s</table>%s</div>' % (rows, figure(model)))
