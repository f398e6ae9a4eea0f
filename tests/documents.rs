//! What README and docs/*.md promise: the options and requests in their commands exist, commands that end by themselves are run, links
//! lead somewhere, and what is documented in a list is documented completely.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "documents/commands.rs"]
mod commands;
#[path = "documents/complete.rs"]
mod complete;
#[path = "documents/links.rs"]
mod links;
#[path = "documents/markdown.rs"]
mod markdown;
#[path = "documents/running.rs"]
mod running;
#[path = "documents/shell.rs"]
mod shell;
mod support;

use markdown::Document;

/// Fails with all problems, each with its file and line.
#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The documents that are for users, and show commands of the program.
fn for_users() -> Vec<Document> {
    let documents = markdown::stored();
    let evidence = ["docs/measurements.md", "docs/evidence.md", "docs/gauntlet.md"];
    documents.into_iter().filter(|it| !evidence.contains(&it.path.as_str())).collect()
}

#[test]
fn every_command_is_understood() {
    for document in markdown::stored() {
        none(&commands::problems(&document));
    }
    let has_commands = |path: &str| {
        let found = markdown::stored().into_iter().find(|it| it.path == path).unwrap();
        !commands::found(&found).is_empty()
    };
    let topics = ["guide", "options", "tiers", "mailbox", "metrics", "questions", "comparison"];
    let topics = topics.map(|topic| format!("docs/{topic}.md"));
    for path in ["README.md"].into_iter().chain(topics.iter().map(String::as_str)) {
        assert!(has_commands(path), "no command was found in {path}");
    }
}

#[test]
fn every_option_and_file_that_is_named_exists() {
    for document in for_users() {
        none(&commands::problems_in_words(&document));
        none(&links::missing_files(&document));
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut documents = markdown::stored();
    documents.extend(["CONTRIBUTING.md", "SECURITY.md"].map(markdown::read));
    for document in &documents {
        none(&links::problems(document));
    }
    let links: usize = documents.iter().map(|document| links::found(document).len()).sum();
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn what_is_listed_is_listed_completely() {
    none(&complete::problems());
}

#[test]
fn every_document_is_in_the_index() {
    let readme = markdown::read("README.md");
    let linked = links::found(&readme);
    for document in markdown::stored().iter().filter(|it| it.path.starts_with("docs/")) {
        let is_linked = linked.iter().any(|link| link.target == document.path);
        assert!(is_linked, "README.md has no link to {}", document.path);
    }
}

/// Each kind of defect is found, with its place.
#[test]
fn a_defect_is_found() {
    let defects = [
        ("    sentinel --memroy 1G -- make\n", "memroy"),
        ("    $ sudo HOME=$HOME sentinel -m lots -- make  # a size?\n", "not a size"),
        ("```\nsentinel reprot\n```\n", "reprot"),
        ("    sentinel report --pdf > x.pdf\n", "--pdf"),
        ("    true && sentinel stauts\n", "stauts"),
        ("    sentinel ctl set memroy 4G\n", "memroy"),
        ("    echo stauts | nc -U /tmp/x\n", "stauts"),
        ("    sentinel -m 1G -- 'make\n", "quote"),
        ("Use `--memroy` here.\n", "--memroy"),
        ("Use `sentinel report --pdf` here.\n", "--pdf"),
        ("Use `sentinel stauts` here.\n", "stauts"),
        ("Run `scripts/demon`.\n", "scripts/demon"),
        ("    sudo install docs/man/*.9 /x\n", "docs/man/*.9"),
        ("See [this](nowhere.md).\n", "nowhere.md"),
        ("See [this](docs/guide.md#nothing).\n", "#nothing"),
        ("See [this](#nothing).\n", "#nothing"),
    ];
    for (text, named) in defects {
        let document = Document::new("README.md", &format!("# Title\n\n{text}"));
        let mut problems = commands::problems(&document);
        problems.extend(commands::problems_in_words(&document));
        problems.extend(links::problems(&document));
        problems.extend(links::missing_files(&document));
        let line = if text.starts_with("```") { 4 } else { 3 };
        let place = format!("README.md:{line}: ");
        let says = problems.iter().any(|it| it.starts_with(&place) && it.contains(named));
        assert!(says, "{text:?}: {problems:?}");
    }
}
