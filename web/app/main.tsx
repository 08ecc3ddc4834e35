// Puts the client on the page.
import { render } from 'preact';
import { App } from './App.tsx';
import { attach } from './state.ts';
import './style.css';

render(<App />, document.getElementById('app')!);
attach();
