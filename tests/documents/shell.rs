//! A line for a shell, as far as the documents use one.

/// Programs with their words, in the order in which they stand; redirections are left out.
pub fn programs(line: &str) -> Result<Vec<Vec<String>>, String> {
    let mut programs = vec![Vec::new()];
    let mut is_target = false;
    for token in tokens(line)? {
        match token {
            Token::Between => programs.push(Vec::new()),
            Token::Redirection => is_target = true,
            Token::Word(_) if std::mem::take(&mut is_target) => {}
            Token::Word(word) => programs.last_mut().ok_or("no program")?.push(word),
        }
    }
    Ok(programs)
}

/// The words of a program that another one runs: without sudo, and variables for it.
pub fn innermost(words: &[String]) -> &[String] {
    let is_prefix = |word: &String| {
        let name = word.split_once('=').map(|(name, _)| name);
        word == "sudo"
            || name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    };
    let prefixes = words.iter().take_while(|word| is_prefix(word)).count();
    &words[prefixes..]
}

enum Token {
    Word(String),
    /// Between two programs.
    Between,
    Redirection,
}

fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | '&' | ';' | '<' | '>') => {
                // A number before it is the descriptor's.
                let finished = word.take();
                let is_number = |text: &String| text.bytes().all(|b| b.is_ascii_digit());
                let word = finished.filter(|it| !"<>".contains(c) || !is_number(it));
                tokens.extend(word.map(Token::Word));
                match c {
                    ' ' => {}
                    '<' | '>' => {
                        chars.next_if(|next| "&>".contains(*next));
                        tokens.push(Token::Redirection);
                    }
                    _ => {
                        chars.next_if_eq(&c);
                        tokens.push(Token::Between);
                    }
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is not closed"));
    }
    tokens.extend(word.map(Token::Word));
    Ok(tokens)
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    for (line, expected) in [
        ("sudo A=b sentinel -m 1G -- x  # y", "sudo,A=b,sentinel,-m,1G,--,x"),
        ("ps --json | jq -r '.a[] | b' > f", "ps,--json|jq,-r,.a[] | b"),
        ("a 3>record 2>&1 >> f && b; c #", "a|b|c"),
        ("a '' b#c", "a,,b#c"),
    ] {
        let programs = programs(line).unwrap();
        let shown: Vec<String> = programs.iter().map(|words| words.join(",")).collect();
        assert_eq!(shown.join("|"), expected, "{line}");
    }
    assert!(programs("a 'b").is_err());
}
