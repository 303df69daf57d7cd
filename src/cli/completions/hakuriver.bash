# shellcheck shell=bash
# Completion of hakuriver and its programs for bash: what fits is asked of the program itself.

_hakuriver() {
  local line=${COMP_LINE:0:COMP_POINT} rest word i
  local words=() starts=()

  # bash cuts words also at : and = ; node1:0 and --target=node1 are one word each
  for ((i = 0; i <= COMP_CWORD; i++)); do
    rest=${line#"${line%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$rest
    if ((i > 0)) && [[ $rest == "$line" ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
      starts+=("$i")
    fi
    line=${rest#"$word"}
  done

  # an alias is no program that could be asked: what it stands for is
  local program=("${words[0]/#~\//$HOME/}")
  if [[ -n ${BASH_ALIASES[${words[0]}]-} ]]; then
    read -ra program <<<"${BASH_ALIASES[${words[0]}]}"
  fi
  local answer directive='' candidates=()
  answer=$("${program[@]}" __complete -- "${words[@]:1}" 2>/dev/null)
  while IFS=$'\t' read -r word _; do
    case $word in
      '') ;;
      :files | :directories | ':command '*) directive=$word ;;
      *) candidates+=("$word") ;;
    esac
  done <<<"$answer"

  COMPREPLY=()
  case $directive in
    :files) compopt -o default ;;
    :directories) compopt -o dirnames ;;
    ':command '*) _hakuriver_command "${starts[${directive#* } + 1]}" ;;
  esac
  ((${#candidates[@]} > 0)) || return 0
  compopt -o nosort
  # readline replaces only what stands behind the last of its own cuts
  local typed=${words[${#words[@]} - 1]} cut=''
  if [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]]; then
    cut=${typed%"${typed##*:}"}
  elif [[ $COMP_WORDBREAKS == *=* && $typed == *=* ]]; then
    cut=${typed%"${typed##*=}"}
  fi
  for word in "${candidates[@]}"; do
    COMPREPLY+=("${word#"$cut"}")
  done
}

# usage: _hakuriver_command N: the words from N on are a command line of their own
_hakuriver_command() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  else
    compopt -o default
    # the name of a program; all behind it are files
    (($1 < COMP_CWORD)) || mapfile -t COMPREPLY < <(compgen -A command -- "${COMP_WORDS[COMP_CWORD]}")
  fi
}

complete -F _hakuriver hakuriver hakuriver.client hakuriver.host hakuriver.runner hakuriver.init hakurun
