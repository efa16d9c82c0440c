// What happens in the browser alone. Python names these functions; see dashboards/app.

(() => {
    const clientside = (window.dash_clientside = window.dash_clientside || {});

    clientside.paxoscope = {
        // Name the window after its page.
        entitle(title) {
            document.title = title;
        },

        // Return the figures in a colour scheme; those that are in it stay as they are.
        dress(scheme, figures, templates) {
            const template = templates[scheme];
            return figures.map((figure) =>
                !template || !figure?.layout || paper(figure.layout.template) === paper(template)
                    ? clientside.no_update
                    : { ...figure, layout: { ...figure.layout, template } },
            );
        },

        // Return a link that tells of the table, too; and the same to ask for its rows, if it is open.
        ask(link, opened, page, sort) {
            if (!link || !opened) {
                return [link, clientside.no_update];
            }
            const query = new URLSearchParams(link);
            query.set("page", page);
            if (sort) {
                query.set("sort", sort);
            }
            return [`?${query}`, `?${query}`];
        },

        // Say which menus offer code: those whose figure has some.
        offer(codes) {
            return codes.map((code) => (code ? "block" : "none"));
        },

        // Return what a menu was asked for: data to be made a file of, code to be shown, or neither.
        take() {
            const { triggered, triggered_id: item, states_list } = clientside.callback_context;
            const nothing = [clientside.no_update, clientside.no_update, clientside.no_update];
            if (!triggered.some((each) => each.value)) {
                return nothing; // A menu has appeared.
            }
            const [figures, codes] = states_list;
            const figure = figures.find((each) => each.id.graph === item.graph).value;
            const name = fileName(item.graph, figure.layout);
            if (item.take === "csv") {
                return [{ name, figure }, clientside.no_update, clientside.no_update];
            }
            if (item.take === "code") {
                const code = codes.find((each) => each.id.code === item.graph).value;
                return [clientside.no_update, code, true];
            }
            const drawn = drawing(item.graph);
            window.Plotly.downloadImage(drawn, {
                format: item.take,
                filename: name,
                width: drawn.clientWidth,
                height: drawn.clientHeight,
                scale: item.take === "png" ? 2 : 1, // Pixels that are fine enough for print.
            });
            return nothing;
        },

        // Of the lines of a graph with these names, show those that are chosen.
        showLines(graph, names, chosen) {
            const drawn = drawing(graph);
            const shown = shownOf(drawn, names);
            if (!isSame(shown, chosen)) {
                const lines = [...drawn.data.keys()].filter((at) => names.includes(drawn.data[at].name));
                const visible = lines.map((at) => chosen.includes(drawn.data[at].name) || "legendonly");
                window.Plotly.restyle(drawn, { visible }, lines);
            }
        },

        // Return which of them are shown, where that is not known yet.
        shownLines(graph, names, known) {
            const shown = shownOf(drawing(graph), names);
            return isSame(shown, known) ? clientside.no_update : shown;
        },
    };

    // Mantine keeps the scheme here, whoever changes it: the toggle, another window or the system.
    const root = document.documentElement;
    const tell = () => clientside.set_props("scheme", { data: root.dataset.mantineColorScheme });
    new MutationObserver(tell).observe(root, { attributeFilter: ["data-mantine-color-scheme"] });

    // Return what Plotly made of a graph.
    function drawing(graph) {
        return document.getElementById(JSON.stringify({ graph })).querySelector(".js-plotly-plot");
    }

    function shownOf(drawn, names) {
        const lines = drawn.data.filter((line) => names.includes(line.name));
        return lines.filter((line) => line.visible !== "legendonly").map((line) => line.name);
    }

    function isSame(some, others) {
        return some.length === others.length && some.every((each) => others.includes(each));
    }

    function paper(template) {
        return template?.layout?.paper_bgcolor;
    }

    // Return a name that says what a figure is: where it stands, and its title or its axes'.
    function fileName(graph, layout) {
        const title =
            layout.title?.text || `${axisTitle(layout, "yaxis")} against ${axisTitle(layout, "xaxis")}`;
        const words = [slug(graph), slug(title)];
        return ["paxoscope", ...new Set(words)].filter(Boolean).join("-");
    }

    // Return the title of the first axis of a kind that has one, without its unit.
    function axisTitle(layout, kind) {
        const titles = Object.keys(layout)
            .filter((key) => key.startsWith(kind))
            .map((key) => layout[key]?.title?.text);
        return (titles.find(Boolean) || "").replace(/\([^)]*\)$/, "");
    }

    function slug(text) {
        return text
            .replace(/<[^>]*>|&\w+;/g, " ")
            .toLowerCase()
            .replace(/[^a-z0-9]+/g, "-")
            .replace(/^-|-$/g, "")
            .slice(0, 80);
    }
})();
