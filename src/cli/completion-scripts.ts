/** What `completion` prints. The scripts only ask the program and hand its answers to the shell. */

const bash = String.raw`# bash completion for compose-rollback
_compose_rollback() {
  local line current="\${COMP_WORDS[COMP_CWORD]}"
  [[ $current == '=' ]] && current=
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :0) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current") ;;
      :16) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$current") ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\t'*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _compose_rollback compose-rollback
`;

const zsh = String.raw`#compdef compose-rollback
# zsh completion for compose-rollback
_compose_rollback() {
  local line value
  local -a candidates
  for line in "\${(@f)$(\${(Q)words[1]} __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :0) _files; return ;;
      :16) _files -/; return ;;
      :*|'') ;;
      *) value=\${line%%$'\t'*}; candidates+=("\${value//:/\\:}:\${line#*$'\t'}") ;;
    esac
  done
  _describe -V 'compose-rollback' candidates
}
if [ "$funcstack[1]" = '_compose-rollback' ]; then
  _compose_rollback "$@"
else
  compdef _compose_rollback compose-rollback
fi
`;

const fish = String.raw`# fish completion for compose-rollback
function __compose_rollback_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path $current
            case ':16'
                __fish_complete_directories $current
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c compose-rollback -f -k -a '(__compose_rollback_complete)'
`;

export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: bash.replaceAll('\\${', '${'),
  zsh: zsh.replaceAll('\\${', '${'),
  fish,
};
