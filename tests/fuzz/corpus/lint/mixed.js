#!x
`a${b}${`c${/[/]/}`}`; const {a, [b]: c = 1} = x, d; import f, {g as h} from "k6/http"; if (r.status===200) {} else {JSON.parse(r.body)} open("u.csv").split("\n")