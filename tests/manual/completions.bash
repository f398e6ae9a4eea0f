# Names of guardians that run.
_sentinel_guardians() {
    sentinel ps --json 2> /dev/null | grep -o '"name":"[A-Za-z0-9._-]*","pid":' | cut -d '"' -f 4
}

# Names of runs that have a post-mortem.
_sentinel_post_mortems() {
    echo last list
    sentinel report list --json 2> /dev/null | grep -o '"name": *"[A-Za-z0-9._-]*"' | cut -d '"' -f 4 | sort -u
}

# The index of the word that is a run's command, in REPLY; fails where the words so far are a verb's or options.
_sentinel_command_at() {
    local i=1
    [[ " @VERBS@ " == *" ${COMP_WORDS[1]} "* ]] && ((COMP_CWORD > 1)) && return 1
    while ((i < COMP_CWORD)); do
        case ${COMP_WORDS[i]} in
            --)
                REPLY=$((i + 1))
                return 0
                ;;
            -*)
                if [[ ${COMP_WORDS[i + 1]} == = ]]; then
                    ((i += 2))
                elif [[ " @VALUE_OPTIONS@ " == *" ${COMP_WORDS[i]} "* ]]; then
                    ((i += 1))
                fi
                ((i += 1))
                ;;
            *)
                REPLY=$i
                return 0
                ;;
        esac
    done
    # The word at the cursor, unless it is an option, or the value of one.
    ((i == COMP_CWORD && i > 1)) && [[ ${COMP_WORDS[i]} != -* ]] && REPLY=$i
}

_sentinel() {
    local cur=$2 prev=$3 verb=${COMP_WORDS[1]} REPLY
    # Readline takes --option=value for three words.
    if [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 1]}
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if _sentinel_command_at; then
        if declare -F _command_offset > /dev/null; then
            _command_offset "$REPLY"
        elif ((REPLY == COMP_CWORD)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        fi
    elif [[ $prev == --user && $verb == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -u -- "$cur")
    elif [[ $cur == -* ]]; then
        _sentinel_words "$1" "$cur" "$prev"
    elif ((COMP_CWORD == 1)); then
        # Every command there is would bury the verbs.
        mapfile -t COMPREPLY < <(compgen -W "@VERBS@" -- "$cur"; [ -n "$cur" ] && compgen -c -- "$cur")
    elif [[ $verb == ctl && ($prev == -g || $prev == --guardian) || " @GUARDIAN_VERBS@ " == *" $verb "* && $prev == "$verb" ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_sentinel_guardians)" -- "$cur")
    elif [[ $verb == report && $prev == report ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_sentinel_post_mortems)" -- "$cur")
    elif [[ $verb == ctl && ${COMP_WORDS[COMP_CWORD - 2]} != -* && " @REQUESTS@ " == *" $prev "* ]]; then
        if [[ $prev == set ]]; then
            mapfile -t COMPREPLY < <(compgen -W "@SETTINGS@" -- "$cur")
        elif [[ " @JSON_REQUESTS@ " == *" $prev "* ]]; then
            mapfile -t COMPREPLY < <(compgen -W json -- "$cur")
        fi
    elif [[ $verb == replay && $prev != -* ]]; then
        : # Readline's own file names.
    else
        _sentinel_words "$1" "$cur" "$prev"
    fi
}

complete -F _sentinel -o bashdefault -o default sentinel
