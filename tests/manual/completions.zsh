# Names of guardians that run.
_sentinel_guardians() {
    local -a names
    names=(${(f)"$(sentinel ps --json 2> /dev/null | grep -o '"name":"[A-Za-z0-9._-]*","pid":' | cut -d '"' -f 4)"})
    _wanted guardians expl guardian compadd -a names
}

# Names of runs that have a post-mortem.
_sentinel_post_mortems() {
    local -a names
    names=(last list ${(f)"$(sentinel report list --json 2> /dev/null | grep -o '"name": *"[A-Za-z0-9._-]*"' | cut -d '"' -f 4)"})
    _alternative "runs:run:compadd -a names" 'files:file:_files'
}

# What follows a request.
_sentinel_request_arguments() {
    local -a with_json
    with_json=(@JSON_REQUESTS@)
    if [[ $words[CURRENT-1] == set ]]; then
        _wanted settings expl setting compadd @SETTINGS@
    elif (( with_json[(Ie)$words[CURRENT-1]] )); then
        _wanted forms expl form compadd json
    fi
}

# The index of the word that is a run's command, in REPLY; fails where the words so far are a verb's or options.
_sentinel_command_at() {
    local -a verbs with_value
    verbs=(@VERBS@)
    with_value=(@VALUE_OPTIONS@)
    local i=2
    (( CURRENT > 2 && verbs[(Ie)$words[2]] )) && return 1
    while (( i < CURRENT )); do
        case $words[i] in
            (--) REPLY=$(( i + 1 )); return 0 ;;
            (-*) (( with_value[(Ie)$words[i]] )) && (( i += 1 )); (( i += 1 )) ;;
            (*) REPLY=$i; return 0 ;;
        esac
    done
    # The word at the cursor, unless it is an option, or the value of one.
    (( i == CURRENT && i > 2 )) && [[ $words[i] != -* ]] && REPLY=$i
}

_sentinel() {
    local REPLY ret=1
    if _sentinel_command_at; then
        words=("${(@)words[REPLY,-1]}")
        (( CURRENT -= REPLY - 1 ))
        _normal
        return
    fi
    _sentinel_words "$@" && ret=0
    # Every command there is would bury the verbs.
    if (( CURRENT == 2 )) && [[ -n $words[2] && $words[2] != -* ]]; then
        _command_names -e && ret=0
    fi
    return ret
}

if [ "$funcstack[1]" = "_sentinel" ]; then
    _sentinel "$@"
else
    compdef _sentinel sentinel
fi
