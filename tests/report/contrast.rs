//! The page's colours against its paper, in both schemes.

/// The colours of one scheme: name and value of each.
fn colours(css: &str) -> Vec<(&str, [f64; 3])> {
    let set = css.split(['{', ';', '}']).filter_map(|part| part.trim().split_once(": #"));
    set.map(|(name, value)| {
        let channel = |at| u8::from_str_radix(&value[at..at + 2], 16).expect("it is #rrggbb");
        (name, [0, 2, 4].map(|at| f64::from(channel(at)) / 255.0))
    })
    .collect()
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let [red, green, blue] = colour.map(linear);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Level AA (WCAG 2.2): 4.5 for what is read, 3 for what is seen. Layers have their edges and their table besides.
#[test]
fn colours_can_be_told_from_the_paper() {
    let css = include_str!("../../src/report/html/page.css");
    let (light, rest) = css.split_once("@media screen").expect("light comes first");
    let (dark, _) = rest.split_once("* {").expect("then dark");
    for scheme in [light, dark].map(colours) {
        let of = |wanted: &str| scheme.iter().find(|(name, _)| *name == wanted).map(|(_, c)| *c);
        let on_paper = |name: &str| contrast(of(name).unwrap(), of("--paper").unwrap());
        for name in ["--ink", "--soft", "--line", "--moment"] {
            assert!(on_paper(name) >= 4.5, "{name}: {}", on_paper(name));
        }
        for name in ["--footprint", "--current", "--anon", "--kernel"] {
            assert!(on_paper(name) >= 3.0, "{name}: {}", on_paper(name));
        }
        assert!(contrast(of("--soft").unwrap(), of("--faint").unwrap()) >= 4.5);
    }
}
