// What every view shares: { state, set, say, models, server }.

import { createContext, useContext } from "./vendor/preact-htm.js";

export const Page = createContext(null);
export const usePage = () => useContext(Page);
